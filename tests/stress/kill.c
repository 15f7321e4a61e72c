/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kill - a load that knows what must come out, while the daemon below it is
 * killed again and again.
 *
 *	kill fill mnt=DIR [procs= lows= many=]
 *			fill DIR, which becomes the lower; `many` empty files
 *			besides
 *	kill load mnt=DIR state=FILE [procs= lows= seconds= seed= signals=1
 *			forget=MS passes=]
 *			the load, for that time or until it is told to stop
 *	kill kill mnt=DIR state=FILE keeper=PID [control=FILE kills= seconds=
 *			seed= from=MS to=MS count=MS]
 *			kill the keeper's worker that often, and stop the load
 *	kill ready state=FILE
 *			have all processes of the load begun? 0 yes, 1 no
 *	kill stop state=FILE
 *			stop the load
 *	kill check mnt=DIR state=FILE
 *			all of DIR against what the load has left there
 *	kill passthrough state=FILE keeper=PID
 *			do readers and writers go on while the worker stands
 *			still? 0 yes, 1 no
 *	kill control control=FILE
 *			make a control file for crash points
 *	kill report state=FILE [control=FILE]
 *			what it came to, as a table
 *
 * FILE must not be there before `load`. A thing that is not as it should be is
 * a line on stderr and makes the exit status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stress/kill.h"

#define MAGIC 0x6b696c6c

struct kill_state *kill_state;

static const struct kill_options defaults = {
	.procs = 6,
	.lows = 1000,
	.forget = 250,
	.passes = KILL_PASSES,
	.from = 3,
	.to = 40,
	.count = 1500,
};

static const struct {
	const char *key;
	size_t at;
} words[] = {
	{ "mnt", offsetof(struct kill_options, mnt) },
	{ "state", offsetof(struct kill_options, state) },
	{ "control", offsetof(struct kill_options, control) },
};

static const struct {
	const char *key;
	size_t at;
	unsigned max;
} numbers[] = {
	{ "keeper", offsetof(struct kill_options, keeper), 1u << 30 },
	{ "kills", offsetof(struct kill_options, kills), 1u << 30 },
	{ "seconds", offsetof(struct kill_options, seconds), 1u << 20 },
	{ "procs", offsetof(struct kill_options, procs), KILL_PROCS },
	{ "seed", offsetof(struct kill_options, seed), UINT32_MAX },
	{ "lows", offsetof(struct kill_options, lows), KILL_LOWS },
	{ "signals", offsetof(struct kill_options, signals), 1 },
	{ "forget", offsetof(struct kill_options, forget), 1u << 20 },
	{ "passes", offsetof(struct kill_options, passes), KILL_PASSES },
	{ "from", offsetof(struct kill_options, from), 100000 },
	{ "to", offsetof(struct kill_options, to), 100000 },
	{ "count", offsetof(struct kill_options, count), 100000 },
	{ "many", offsetof(struct kill_options, many), 10000000 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool take_number(struct kill_options *o, const char *key,
			const char *value)
{
	for (unsigned n = 0; n < COUNT(numbers); n++) {
		char *end;
		unsigned long long x;

		if (strcmp(key, numbers[n].key) != 0)
			continue;
		x = strtoull(value, &end, 10);
		if (*end || end == value || x > numbers[n].max)
			return false;
		*(unsigned *)((char *)o + numbers[n].at) = (unsigned)x;
		return true;
	}
	return false;
}

static bool take(struct kill_options *o, char *arg)
{
	char *value = strchr(arg, '=');

	if (!value)
		return false;
	*value++ = '\0';
	for (unsigned n = 0; n < COUNT(words); n++)
		if (!strcmp(arg, words[n].key)) {
			*(const char **)((char *)o + words[n].at) = value;
			return true;
		}
	return take_number(o, arg, value);
}

/* ---- verbs ------------------------------------------------------------------ */

enum state_use { STATE_NONE, STATE_NEW, STATE_SHARED, STATE_COPY };

static bool is_whole(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_size == (off_t)sizeof(*kill_state);
}

static int map_state(const char *path, enum state_use use)
{
	int fd = open(path,
		      O_RDWR | O_CLOEXEC |
			      (use == STATE_NEW ? O_CREAT | O_EXCL : 0),
		      0600);

	if (fd < 0 ||
	    (use == STATE_NEW && ftruncate(fd, sizeof(*kill_state)))) {
		perror(path);
		return -1;
	}
	/* One that is being made is no memory yet. */
	if (!is_whole(fd)) {
		fprintf(stderr, "%s: not of the size of a state\n", path);
		close(fd);
		return -1;
	}
	kill_state = mmap(NULL, sizeof(*kill_state), PROT_READ | PROT_WRITE,
			  use == STATE_COPY ? MAP_PRIVATE : MAP_SHARED, fd, 0);
	close(fd);
	if (kill_state == MAP_FAILED) {
		perror(path);
		return -1;
	}
	if (use == STATE_NEW) {
		kill_state->size = sizeof(*kill_state);
		kill_state->magic = MAGIC;
	}
	if (kill_state->magic == MAGIC &&
	    kill_state->size == sizeof(*kill_state))
		return 0;
	fprintf(stderr, "%s: of another program\n", path);
	return -1;
}

/* The program that is run inside is this one. */
static int put_program(int top)
{
	static char buf[1 << 16];
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out;
	ssize_t n;

	if (in < 0 || mkdirat(top, "bin", 0755))
		return -1;
	out = openat(top, "bin/prog", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
		     0755);
	while (out >= 0 && (n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			return -1;
	close(in);
	return out < 0 || n < 0 || close(out) ? -1 : 0;
}

static int put_many(int top, unsigned many)
{
	char path[64];

	if (many && mkdirat(top, "many", 0755))
		return -1;
	for (unsigned n = 0; n < many; n++) {
		snprintf(path, sizeof(path), "many/%u", n / 500);
		if (n % 500 == 0 && mkdirat(top, path, 0755))
			return -1;
		snprintf(path, sizeof(path), "many/%u/%u", n / 500, n);
		if (mknodat(top, path, S_IFREG | 0644, 0))
			return -1;
	}
	return 0;
}

static int verb_fill(const struct kill_options *o, int top)
{
	if (!put_program(top) && !put_many(top, o->many) &&
	    !kill_low_fill(top, o->procs, o->lows) &&
	    !kill_lowdir_fill(top, o->procs, o->lows) &&
	    !kill_dir_fill(top, o->procs) && !kill_meet_fill(top))
		return 0;
	perror("kill: fill");
	return 1;
}

static int verb_check(const struct kill_options *o, int top)
{
	(void)o;
	return kill_check(top) != 0;
}

/* A load that has only made its state does not know yet how many it will be. */
static int verb_ready(const struct kill_options *o, int top)
{
	unsigned all = kill_state->procs + kill_state->n_passes;

	(void)o;
	(void)top;
	return !all || atomic_load(&kill_state->ready) < all;
}

static int verb_stop(const struct kill_options *o, int top)
{
	(void)o;
	(void)top;
	atomic_store(&kill_state->stop, 1);
	return 0;
}

static const struct {
	const char *name;
	bool mnt, keeper;
	enum state_use state;
	int (*run)(const struct kill_options *o, int top);
} verbs[] = {
	{ "fill", true, false, STATE_NONE, verb_fill },
	{ "load", true, false, STATE_NEW, kill_load },
	{ "kill", true, true, STATE_SHARED, kill_killer },
	{ "ready", false, false, STATE_SHARED, verb_ready },
	{ "stop", false, false, STATE_SHARED, verb_stop },
	{ "check", true, false, STATE_COPY, verb_check },
	{ "passthrough", false, true, STATE_SHARED, kill_passthrough },
	{ "control", false, false, STATE_NONE, kill_make_control },
	{ "report", false, false, STATE_COPY, kill_report },
};

static int run_verb(unsigned n, const struct kill_options *o)
{
	int top = -1;

	if ((verbs[n].mnt && !o->mnt) || (verbs[n].keeper && !o->keeper) ||
	    (verbs[n].state != STATE_NONE && !o->state)) {
		fprintf(stderr, "kill %s: mnt=, state= or keeper= is missing\n",
			verbs[n].name);
		return 2;
	}
	if (verbs[n].state != STATE_NONE && map_state(o->state, verbs[n].state))
		return 2;
	if (verbs[n].mnt) {
		top = open(o->mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (top < 0) {
			perror(o->mnt);
			return 2;
		}
	}
	return verbs[n].run(o, top);
}

int main(int argc, char *argv[])
{
	struct kill_options o = defaults;

	if (argc == 2 && !strcmp(argv[1], "seven"))
		return 7;
	umask(022);
	for (int n = 2; n < argc; n++)
		if (!take(&o, argv[n])) {
			fprintf(stderr, "kill: %s: what is that?\n", argv[n]);
			return 2;
		}
	for (unsigned n = 0; argc > 1 && n < COUNT(verbs); n++)
		if (!strcmp(argv[1], verbs[n].name))
			return run_verb(n, &o);
	fprintf(stderr,
		"usage: kill VERB KEY=VALUE...; see tests/stress/kill.c\n");
	return 2;
}
