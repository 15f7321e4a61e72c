/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ns - all operations on names at once, by several processes that know what
 * must come out.
 *
 *	ns init DIR STATE SEED [nolinks]
 *				fill DIR, as one process after the other
 *	ns run DIR STATE SEED SECONDS
 *				go on where STATE is, all processes at once
 *	ns check DIR STATE	compare all of DIR with STATE
 *
 * Each process has a subtree of its own, DIR/pN, of which it keeps a model in
 * the file STATE; what it does there must have the result that the model
 * says. In DIR/shared all of them meet: there a result must be one of those
 * that can be. The first difference is told and ends the run with 1.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "tests/stress/ns.h"

static struct ns_state *state;

void ns_fail(const struct ns_proc *p, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "ns: process %u, operation %u: ", p->self, p->ops);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

unsigned ns_random(struct ns_proc *p, unsigned below)
{
	p->rand = p->rand * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(p->rand >> 33) % below;
}

/* Checked after every run: what no single result shows. */
static void check_shared(struct ns_proc *p, int dir)
{
	struct ns_shared *s = &state->shared;
	char text[32] = "", *end;
	struct stat st;
	int fd = openat(dir, "counter", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		ns_fail(p, "shared/counter: %s", strerror(errno));
	close(fd);
	if (strtoul(text, &end, 10) != s->counter)
		ns_fail(p, "shared/counter is %s, not %u", text, s->counter);
	if (fstatat(dir, "log", &st, 0))
		ns_fail(p, "shared/log: %s", strerror(errno));
	if (st.st_size != (off_t)s->appended * NS_LINE)
		ns_fail(p, "shared/log has %lld bytes, not %u lines of %d",
			(long long)st.st_size, s->appended, NS_LINE);
	for (unsigned n = 0; n < NS_TOGETHER; n++)
		ns_check_together(p, s, dir, n);
}

static int open_dir(const struct ns_proc *p, int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		ns_fail(p, "%s: %s", name, strerror(errno));
	return fd;
}

static void work(struct ns_proc *p, int top, uint64_t until, unsigned most)
{
	int shared = open_dir(p, top, "shared");
	char name[16];

	snprintf(name, sizeof(name), "p%u", p->self);
	p->dir = open_dir(p, top, name);
	for (unsigned n = 0; n < most; n++) {
		if (n % 16 == 0 && until && (uint64_t)time(NULL) >= until)
			break;
		p->ops++;
		ns_own(p);
		if (until && n % 4 == 0)
			ns_meet(p, &state->shared, shared);
	}
	ns_own_end(p);
	close(p->dir);
	close(shared);
}

static int in_child(struct ns_proc *p, int top, uint64_t until, unsigned most)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	work(p, top, until, most);
	exit(0);
}

static int run(const char *dir, uint64_t seed, unsigned seconds)
{
	struct ns_proc nobody = { .self = NS_PROCS };
	uint64_t until = (uint64_t)time(NULL) + seconds;
	int top = open_dir(&nobody, AT_FDCWD, dir), failed = 0, status;
	pid_t pids[NS_PROCS];

	ns_meet_begin(&state->shared);
	for (unsigned n = 0; n < NS_PROCS; n++) {
		state->procs[n].rand = seed * 31 + n;
		pids[n] = in_child(&state->procs[n], top, until, UINT32_MAX);
	}
	for (unsigned n = 0; n < NS_PROCS; n++) {
		if (pids[n] < 0 || waitpid(pids[n], &status, 0) < 0 || status)
			failed = 1;
	}
	for (unsigned n = 0; n < NS_PROCS; n++)
		printf("process %u: %u operations\n", n, state->procs[n].ops);
	return failed;
}

static void make_shared(struct ns_proc *p, int dir)
{
	char name[16], text[NS_PROCS + 1];
	int fd;

	memset(text, '.', NS_PROCS);
	for (unsigned n = 0; n < NS_TOGETHER; n++) {
		snprintf(name, sizeof(name), "t%u", n);
		fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
			    0644);
		if (fd < 0 || write(fd, text, NS_PROCS) != NS_PROCS)
			ns_fail(p, "%s: %s", name, strerror(errno));
		close(fd);
	}
	fd = openat(dir, "counter", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
		    0644);
	if (fd < 0 || write(fd, "0", 1) != 1)
		ns_fail(p, "counter: %s", strerror(errno));
	close(fd);
	if (mknodat(dir, "log", S_IFREG | 0644, 0) ||
	    mknodat(dir, "gone", S_IFREG | 0644, 0))
		ns_fail(p, "log: %s", strerror(errno));
}

static int init(const char *dir, uint64_t seed, bool no_links)
{
	struct ns_proc nobody = { .self = NS_PROCS };
	int top = open_dir(&nobody, AT_FDCWD, dir), shared;
	char name[16];

	if (mkdirat(top, "shared", 0755))
		ns_fail(&nobody, "shared: %s", strerror(errno));
	shared = open_dir(&nobody, top, "shared");
	make_shared(&nobody, shared);
	close(shared);
	for (unsigned n = 0; n < NS_PROCS; n++) {
		struct ns_proc *p = &state->procs[n];

		snprintf(name, sizeof(name), "p%u", n);
		if (mkdirat(top, name, 0755))
			ns_fail(&nobody, "%s: %s", name, strerror(errno));
		p->self = n;
		p->rand = seed * 17 + n;
		p->nodes[0].used = true;
		p->nodes[0].type = NS_DIR;
		p->no_links = no_links;
		work(p, top, 0, NS_FILL);
		p->no_links = false;
		ns_forget_numbers(p);
		p->ops = 0;
	}
	return 0;
}

static int check(const char *dir)
{
	struct ns_proc nobody = { .self = NS_PROCS };
	int top = open_dir(&nobody, AT_FDCWD, dir), shared;
	char name[16];

	for (unsigned n = 0; n < NS_PROCS; n++) {
		struct ns_proc *p = &state->procs[n];

		snprintf(name, sizeof(name), "p%u", n);
		p->dir = open_dir(p, top, name);
		ns_compare(p);
		close(p->dir);
	}
	shared = open_dir(&nobody, top, "shared");
	check_shared(&nobody, shared);
	close(shared);
	return 0;
}

/* A check changes nothing, not even the numbers that are seen first. */
static void map_state(const char *path, bool fresh, bool keep)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | (fresh ? O_CREAT | O_EXCL : 0),
		      0600);

	if (fd < 0 || (fresh && ftruncate(fd, sizeof(*state)))) {
		perror(path);
		exit(1);
	}
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE,
		     keep ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	close(fd);
	if (state == MAP_FAILED) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char *argv[])
{
	const char *verb = argc > 3 ? argv[1] : "";
	uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;

	umask(022);
	if (!strcmp(verb, "init") &&
	    (argc == 5 || (argc == 6 && !strcmp(argv[5], "nolinks")))) {
		map_state(argv[3], true, true);
		return init(argv[2], seed, argc == 6);
	}
	if (!strcmp(verb, "run") && argc == 6) {
		map_state(argv[3], false, true);
		return run(argv[2], seed, (unsigned)strtoul(argv[5], NULL, 10));
	}
	if (!strcmp(verb, "check") && argc == 4) {
		map_state(argv[3], false, false);
		return check(argv[2]);
	}
	fprintf(stderr, "usage: ns init DIR STATE SEED [nolinks]\n"
			"       ns run DIR STATE SEED SECONDS\n"
			"       ns check DIR STATE\n");
	return 2;
}
