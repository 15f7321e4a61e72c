/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctcg - a container's groups from the command line, for ctcgroup.sh.
 *
 *	ctcg NAME make [OWNER]
 *	ctcg NAME set WORD=NUMBER|unlimited... [cpumask=LIST] [nodemask=LIST]
 *	ctcg NAME devices all|usual|c:MAJOR:MINOR...
 *	ctcg NAME run PROGRAM [ARG]...		in the payload
 *	ctcg NAME serve PROGRAM [ARG]...	in the daemon's part
 *	ctcg NAME bring PID payload|daemon
 *	ctcg NAME freeze|thaw|kill|remove
 *	ctcg NAME usage				KEY VALUE lines
 *	ctcg NAME count
 *	ctcg NAME path CONTROLLER payload|daemon|-
 *	ctcg eat BYTES				use so much memory, say "full"
 *	ctcg forks MOST				how many processes were to be had
 *	ctcg burn				use one CPU until killed
 *	ctcg cpu SECONDS NAME...		percent that each uses meanwhile
 *
 * Prints the sentence of an error, or of a warning; exits with 1 on an error.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"
#include "tools/ct/cgroup.h"

static struct why why;

static int done(int r)
{
	if (why.text[0])
		fprintf(stderr, "ctcg: %s\n", why.text);
	else if (r < 0)
		fprintf(stderr, "ctcg: %s\n", strerror(-r));
	return r < 0;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char *const numbers[SPEC_NUMBERS] = {
	[SPEC_CPUUNITS] = "cpuunits", [SPEC_CPULIMIT] = "cpulimit",
	[SPEC_RAM] = "ram",	      [SPEC_SWAP] = "swap",
	[SPEC_NUMPROC] = "numproc",   [SPEC_IOPRIO] = "ioprio",
	[SPEC_IOLIMIT] = "iolimit",   [SPEC_IOPSLIMIT] = "iopslimit",
};

/* WORD=VALUE into `l`. */
static int take_limit(struct spec_limits *l, char *word)
{
	char *value = strchr(word, '=');
	uint64_t v = SPEC_UNLIMITED;

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(word, "cpumask"))
		snprintf(l->cpumask, sizeof(l->cpumask), "%s", value);
	if (!strcmp(word, "nodemask"))
		snprintf(l->nodemask, sizeof(l->nodemask), "%s", value);
	if (!strcmp(word, "cpumask") || !strcmp(word, "nodemask"))
		return 0;
	if (strcmp(value, "unlimited") != 0 && parse_size(value, &v))
		return -EINVAL;
	for (int n = 0; n < SPEC_NUMBERS; n++)
		if (!strcmp(word, numbers[n])) {
			spec_give(l, (enum spec_number)n, v);
			return 0;
		}
	return -EINVAL;
}

static int do_set(struct cgroup *g, char **args)
{
	struct spec_limits l = { .given = 0 };

	for (; *args; args++)
		if (take_limit(&l, *args))
			return -EINVAL;
	return cgroup_set(g, &l, 0, &why);
}

static int do_devices(struct cgroup *g, char **args)
{
	struct spec_device list[16];
	size_t n = 0;

	if (*args && !strcmp(*args, "all"))
		return cgroup_devices(g, NULL, 0, &why);
	for (; *args && n < ARRAY_SIZE(list); args++)
		if (sscanf(*args, "%c:%u:%u", &list[n].type, &list[n].major,
			   &list[n].minor) == 3) {
			list[n].read = list[n].write = true;
			n++;
		}
	return cgroup_devices(g, list, n, &why);
}

static int run_in(struct cgroup *g, enum cgroup_part part, char **args)
{
	int r = cgroup_enter(g, part, &why);

	if (r < 0 || !*args)
		return r < 0 ? r : -EINVAL;
	execvp(*args, args);
	return -errno;
}

static int do_run(struct cgroup *g, char **args)
{
	return run_in(g, CGROUP_PAYLOAD, args);
}

static int do_serve(struct cgroup *g, char **args)
{
	return run_in(g, CGROUP_DAEMON, args);
}

static enum cgroup_part part_of(const char *word)
{
	return !strcmp(word, "daemon") ? CGROUP_DAEMON : CGROUP_PAYLOAD;
}

static int do_bring(struct cgroup *g, char **args)
{
	if (!args[0] || !args[1])
		return -EINVAL;
	return cgroup_attach(g, part_of(args[1]), atoi(args[0]), &why);
}

static int do_freeze(struct cgroup *g, char **args _unused_)
{
	return cgroup_freeze(g, true, &why);
}

static int do_thaw(struct cgroup *g, char **args _unused_)
{
	return cgroup_freeze(g, false, &why);
}

static int do_kill(struct cgroup *g, char **args _unused_)
{
	int r = cgroup_kill(g, CGROUP_PAYLOAD, 20000, &why);

	return r < 0 ? r : cgroup_kill(g, CGROUP_DAEMON, 20000, &why);
}

static int do_remove(struct cgroup *g, char **args _unused_)
{
	return cgroup_remove(g, &why);
}

static int do_usage(struct cgroup *g, char **args _unused_)
{
	struct cgroup_usage u;

	cgroup_usage(g, &u);
	printf("ram %" PRIu64 "\nram_max %" PRIu64 "\nswap %" PRIu64
	       "\nswap_max %" PRIu64 "\nprocesses %" PRIu64
	       "\nprocesses_max %" PRIu64 "\ncpu %" PRIu64
	       "\noom_kills %" PRIu64 "\n",
	       u.ram, u.ram_max, u.swap, u.swap_max, u.processes,
	       u.processes_max, u.cpu, u.oom_kills);
	return 0;
}

static int do_count(struct cgroup *g, char **args _unused_)
{
	int n = cgroup_processes(g, CGROUP_PAYLOAD);

	printf("%d\n", n);
	return n < 0 ? n : 0;
}

static int do_path(struct cgroup *g, char **args)
{
	char path[512];
	int r = -EINVAL;

	if (args[0] && args[1])
		r = cgroup_path(g, args[0],
				*args[1] == '-' ? -1 : (int)part_of(args[1]),
				path, sizeof(path));
	if (r == 0)
		puts(path);
	return r;
}

/* Read back and forth, so that it is all wanted. */
static int eat(uint64_t size)
{
	volatile char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	for (int round = 0; round < 2; round++)
		for (uint64_t at = 0; at < size; at += 4096)
			p[at] = (char)(p[at] + 1 + (char)(at >> 12));
	puts("full");
	fflush(stdout);
	if (getchar() == EOF)
		pause();
	return 0;
}

static int forks(int most)
{
	int n = 0, stop[2];
	pid_t pid = 1;

	if (pipe(stop))
		return -errno;
	for (; n < most && pid > 0; n++) {
		pid = fork();
		if (!pid) {
			char c;

			close(stop[1]);
			_exit((int)read(stop[0], &c, 1));
		}
	}
	printf("%d\n", pid < 0 ? n - 1 : n);
	close(stop[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}

static int cpu(uint64_t seconds, char **names, int n)
{
	struct cgroup *g[8];
	uint64_t used[8], began, took;
	struct cgroup_usage u;
	struct timespec t = { .tv_sec = (time_t)seconds };

	for (int i = 0; i < n && i < 8; i++) {
		int r = cgroup_open(&g[i], names[i], false, 0, &why);

		if (r < 0)
			return r;
		cgroup_usage(g[i], &u);
		used[i] = u.cpu;
	}
	began = now_ns();
	nanosleep(&t, NULL);
	took = now_ns() - began;
	for (int i = 0; i < n && i < 8; i++) {
		cgroup_usage(g[i], &u);
		printf("%.2f\n",
		       100.0 * (double)(u.cpu - used[i]) / (double)took);
		cgroup_free(g[i]);
	}
	return 0;
}

static const struct {
	const char *word;
	int (*run)(struct cgroup *g, char **args);
} verbs[] = {
	{ "set", do_set },	 { "devices", do_devices },
	{ "run", do_run },	 { "serve", do_serve },
	{ "bring", do_bring },	 { "freeze", do_freeze },
	{ "thaw", do_thaw },	 { "kill", do_kill },
	{ "remove", do_remove }, { "usage", do_usage },
	{ "count", do_count },	 { "path", do_path },
};

static int with_group(char *argv[])
{
	struct cgroup *g;
	bool make = !strcmp(argv[2], "make");
	uint64_t owner = 0;
	int r;

	if (make && argv[3])
		parse_u64(argv[3], UINT32_MAX, &owner);
	r = cgroup_open(&g, argv[1], make, (uint32_t)owner, &why);
	if (r < 0)
		return r;
	if (!make)
		r = -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[2], verbs[i].word))
			r = verbs[i].run(g, argv + 3);
	cgroup_free(g);
	return r;
}

int main(int argc, char *argv[])
{
	uint64_t n = 0;

	if (argc == 2 && !strcmp(argv[1], "burn"))
		for (;;)
			n++;
	if (argc < 3)
		return done(-EINVAL);
	if (!strcmp(argv[1], "eat"))
		return done(parse_size(argv[2], &n) ? -EINVAL : eat(n));
	if (!strcmp(argv[1], "forks"))
		return done(forks(atoi(argv[2])));
	if (!strcmp(argv[1], "cpu"))
		return done(parse_u64(argv[2], 3600, &n)
				    ? -EINVAL
				    : cpu(n, argv + 3, argc - 3));
	return done(with_group(argv));
}
