/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * procread - what reading a file whole costs, or asking by sysinfo(2).
 *
 *	procread FILE READS [PAUSE_MS]
 *	procread --sysinfo READS [PAUSE_MS]
 *
 * Opens, reads to the end and closes FILE, READS times, PAUSE_MS apart, and
 * prints the median and the 99th percentile in microseconds, and the bytes of
 * the last reading (of sysinfo: the MiB of memory that it told).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "fs/base/parse.h"

static char buf[1 << 20];

/* Bytes; -1: it cannot be read. */
static ssize_t read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, sum = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sum += n;
	close(fd);
	return n < 0 ? -1 : sum;
}

static ssize_t ask_sysinfo(const char *path)
{
	struct sysinfo s;

	(void)path;
	if (sysinfo(&s) < 0)
		return -1;
	return (ssize_t)(s.totalram * s.mem_unit >> 20);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int main(int argc, char *argv[])
{
	ssize_t (*once)(const char *path) = read_all;
	uint64_t count, tail, pause = 0, *took;
	ssize_t bytes = 0;

	if (argc < 3 || argc > 4 || parse_u64(argv[2], 10000000, &count) ||
	    count == 0 || (argc > 3 && parse_u64(argv[3], 10000, &pause))) {
		fprintf(stderr, "usage: procread FILE|--sysinfo READS "
				"[PAUSE_MS]\n");
		return 2;
	}
	if (!strcmp(argv[1], "--sysinfo"))
		once = ask_sysinfo;
	took = calloc(count, sizeof(*took));
	for (uint64_t i = 0; took && i < count; i++) {
		uint64_t from = clock_now();

		bytes = once(argv[1]);
		took[i] = clock_now() - from;
		if (bytes < 0) {
			perror(argv[1]);
			return 1;
		}
		if (pause)
			usleep((useconds_t)(pause * 1000));
	}
	if (!took)
		return 1;
	qsort(took, count, sizeof(*took), by_size);
	tail = count - 1 - count / 100;
	count /= 2;
	printf("%.2f %.2f %zd\n", (double)took[count] / 1000,
	       (double)took[tail] / 1000, bytes);
	free(took);
	return 0;
}
