/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * powercut - the parts of powercut.sh that are no shell: a device that can
 * lose its power, a load on the filesystem above it, and the knowledge of what
 * must be there afterwards. powercut.h has what each verb does.
 */
#include "tests/stress/powercut.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t pc_next(uint64_t *rng)
{
	uint64_t z = *rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

unsigned pc_random(uint64_t *rng, unsigned below)
{
	return (unsigned)((pc_next(rng) >> 32) % below);
}

void pc_fail(const char *fmt, ...)
{
	va_list args;

	fputs("powercut: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

struct pc_journal *pc_journal_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct pc_journal *j;

	if (fd < 0 || ftruncate(fd, sizeof(*j)) < 0)
		pc_fail("%s: %s", path, strerror(errno));
	j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (j == MAP_FAILED)
		pc_fail("%s: %s", path, strerror(errno));
	return j;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || end == text)
		pc_fail("'%s' is no number", text);
	return n;
}

static struct pc_seeds seeds_of(char *args[])
{
	return (struct pc_seeds){ number(args[0]), number(args[1]) };
}

static int run_disk(int n, char *args[])
{
	(void)n;
	return pc_disk(args[0], args[1], pc_journal_open(args[2]),
		       number(args[3]));
}

static int run_lower(int n, char *args[])
{
	(void)n;
	return pc_lower(args[0], args[1], number(args[2]));
}

static int run_load(int n, char *args[])
{
	struct pc_seeds s = seeds_of(args + 3);

	(void)n;
	return pc_load(args[0], args[1], pc_journal_open(args[2]), &s);
}

static int run_check(int n, char *args[])
{
	struct pc_seeds s = seeds_of(args + 2);

	return pc_check(args[0], pc_journal_open(args[1]), &s,
			n > 4 ? args[4] : NULL);
}

static int run_marks(int n, char *args[])
{
	(void)n;
	return pc_marks(args[0], args[1], args[2]);
}

static int run_use(int n, char *args[])
{
	(void)n;
	return pc_use(args[0]);
}

static int run_show(int n, char *args[])
{
	const struct pc_journal *j = pc_journal_open(args[0]);
	unsigned begun = 0, done = 0;

	(void)n;
	for (int p = 0; p < PC_PROCS; p++) {
		begun += j->begun[p];
		done += j->done[p];
	}
	printf("%u %u %u %u %u %u %u\n", begun, done, j->writes, j->flushes,
	       j->held, j->kept, j->torn);
	return 0;
}

static const struct {
	const char *verb, *usage;
	int least, most;
	int (*run)(int n, char *args[]);
} verbs[] = {
	{ "disk", "IMAGE FILE JOURNAL SEED", 4, 4, run_disk },
	{ "lower", "A B TREE", 3, 3, run_lower },
	{ "load", "DIR BACKING JOURNAL TREE OPS", 5, 5, run_load },
	{ "check", "DIR JOURNAL TREE OPS [STRICT-UPPER]", 4, 5, run_check },
	{ "marks", "UPPER A B", 3, 3, run_marks },
	{ "use", "DIR", 1, 1, run_use },
	{ "show", "JOURNAL", 1, 1, run_show },
};

int main(int argc, char *argv[])
{
	umask(0);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		int n = argc - 2;

		if (argc > 1 && !strcmp(argv[1], verbs[i].verb) &&
		    n >= verbs[i].least && n <= verbs[i].most)
			return verbs[i].run(n, argv + 2);
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(stderr, "usage: powercut %s %s\n", verbs[i].verb,
			verbs[i].usage);
	return 2;
}
