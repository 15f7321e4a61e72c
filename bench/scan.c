/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: how fast a tree is counted, beside the tools that do the same.
 *
 *   scan [-t THREADS] [-r ROUNDS] DIRECTORY   count it
 *   scan -m FILES[:PER_DIRECTORY] DIRECTORY   make a tree there first
 *
 * Prints, of the best of each: inodes a second, and as ratios to that of
 * `du -s` and `find -printf`, run in turns with ours. The first round, which
 * warms the caches, does not count. DIRECTORY stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/parse.h"
#include "quota/scan.h"

enum way { WAY_SCAN, WAY_DU, WAY_FIND, WAYS };

static const char *const way_names[WAYS] = { "scan", "du -s", "find -printf" };

static int fail(const char *what, int err)
{
	fprintf(stderr, "scan: %s: %s\n", what, strerror(err));
	return 2;
}

static int make_directory(int top, const char *name, uint64_t files)
{
	_cleanup_close_ int dir = -1;

	if (mkdirat(top, name, 0755) < 0)
		return -errno;
	dir = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	for (uint64_t i = 0; i < files; i++) {
		char file[32];

		snprintf(file, sizeof(file), "file-%04llu",
			 (unsigned long long)i);
		if (mknodat(dir, file, S_IFREG | 0644, 0) < 0 ||
		    fchownat(dir, file, (uid_t)(1000 + i % 7), 100, 0) < 0)
			return -errno;
	}
	return 0;
}

/* Directories of `each` files, in a hundred directories. */
static int make_tree(int top, uint64_t files, uint64_t each)
{
	for (uint64_t n = 0, i = 0; n < files; n += each + 1, i++) {
		char name[64];
		int r;

		snprintf(name, sizeof(name), "%02u", (unsigned)(i % 100));
		if (mkdirat(top, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		snprintf(name, sizeof(name), "%02u/dir-%llu",
			 (unsigned)(i % 100), (unsigned long long)i);
		r = make_directory(top, name, each);
		if (r < 0)
			return r;
	}
	return 0;
}

static int run_scan(int top, unsigned threads, uint64_t *inodes)
{
	struct scan_config cfg = { .roots = &top,
				   .n_roots = 1,
				   .threads = threads };
	struct scan_result *res;
	int r = scan_run(&res, &cfg);

	if (r < 0)
		return r;
	*inodes = scan_inodes(res);
	scan_free(res);
	return 0;
}

static int run_tool(enum way way, const char *dir)
{
	const char *const du[] = { "du", "-s", dir, NULL };
	const char *const find[] = { "find", dir, "-printf", "%U %G %b\n",
				     NULL };
	const char *const *argv = way == WAY_DU ? du : find;
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	status = posix_spawnp(&pid, argv[0], &actions, NULL,
			      (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (status)
		return -status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status ? -EIO : 0;
}

static int measure(const char *dir, unsigned threads, unsigned rounds)
{
	_cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	double best[WAYS] = { 0 };
	uint64_t inodes = 0;

	if (top < 0)
		return fail(dir, errno);
	for (unsigned i = 0; i <= rounds; i++) {
		for (int w = 0; w < WAYS; w++) {
			uint64_t began = clock_now();
			double rate;
			int r = w == WAY_SCAN ? run_scan(top, threads, &inodes)
					      : run_tool((enum way)w, dir);

			if (r < 0)
				return fail(way_names[w], -r);
			rate = (double)inodes * 1e9 /
			       (double)(clock_now() - began);
			if (i && rate > best[w])
				best[w] = rate;
		}
	}
	printf("%llu inodes\n", (unsigned long long)inodes);
	for (int w = 0; w < WAYS; w++)
		printf("%-12s %10.0f inodes/s  scan is %5.2f times that\n",
		       way_names[w], best[w], best[WAY_SCAN] / best[w]);
	return 0;
}

static int make(const char *dir, const char *how)
{
	_cleanup_close_ int top = -1;
	uint64_t files, each = 30;
	int r;

	if (parse_u64_at(&how, UINT32_MAX, &files) < 0 ||
	    (*how == ':' && parse_u64(how + 1, UINT32_MAX, &each) < 0) ||
	    (*how && *how != ':') || each == 0)
		return fail("-m FILES[:PER_DIRECTORY]", EINVAL);
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return fail(dir, errno);
	r = make_tree(top, files, each);
	return r < 0 ? fail(dir, -r) : 0;
}

int main(int argc, char *argv[])
{
	uint32_t threads = 0, rounds = 5;
	const char *how = NULL;
	bool bad = false;
	int c;

	while ((c = getopt(argc, argv, "m:r:t:")) != -1) {
		if (c == 'm')
			how = optarg;
		else if (c == 'r')
			bad |= parse_u32(optarg, 1000, &rounds) < 0;
		else if (c == 't')
			bad |= parse_u32(optarg, 16, &threads) < 0;
		else
			bad = true;
	}
	if (bad || optind + 1 != argc) {
		fprintf(stderr, "usage: scan [-t THREADS] [-r ROUNDS] "
				"[-m FILES[:PER_DIRECTORY]] DIRECTORY\n");
		return 2;
	}
	if (how && make(argv[optind], how))
		return 2;
	return measure(argv[optind], threads, rounds);
}
