/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aside: what templates.sh needs and no program on every machine does.
 *
 *   aside run COMMAND...      run it; then milliseconds and its peak of memory
 *                             in KiB, on the last line of stdout
 *   aside uncache FILE...     their pages leave the page cache
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int uncache(char *const paths[])
{
	int failed = 0;

	for (; *paths; paths++) {
		int fd = open(*paths, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)) {
			fprintf(stderr, "aside: %s: cannot be uncached\n",
				*paths);
			failed = 1;
		}
		if (fd >= 0)
			close(fd);
	}
	return failed;
}

static int run_command(char *const argv[])
{
	struct timespec begin, end;
	struct rusage used;
	int status;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	status = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (status) {
		fprintf(stderr, "aside: %s: %s\n", argv[0], strerror(status));
		return 2;
	}
	while (wait4(pid, &status, 0, &used) < 0)
		if (errno != EINTR)
			return 2;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.3f %ld\n",
	       (double)(end.tv_sec - begin.tv_sec) * 1e3 +
		       (double)(end.tv_nsec - begin.tv_nsec) / 1e6,
	       used.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

int main(int argc, char *argv[])
{
	if (argc > 2 && !strcmp(argv[1], "run"))
		return run_command(argv + 2);
	if (argc > 2 && !strcmp(argv[1], "uncache"))
		return uncache(argv + 2);
	fprintf(stderr, "usage: aside run COMMAND...\n"
			"       aside uncache FILE...\n");
	return 2;
}
