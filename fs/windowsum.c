/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/windowsum.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"

#define BYTES_A_NS (WINDOWSUM_RATE / CLOCK_S)

uint64_t windowsum_pause(uint64_t room)
{
	uint64_t ns = room / (2 * BYTES_A_NS);

	if (ns < WINDOWSUM_PAUSE_MIN)
		return WINDOWSUM_PAUSE_MIN;
	return ns < WINDOWSUM_PAUSE_MAX ? ns : WINDOWSUM_PAUSE_MAX;
}

uint64_t windowsum_near(uint64_t size, uint64_t took, bool asks)
{
	uint64_t most = 2 * BYTES_A_NS * took;

	if (most > size)
		size = most;
	return asks ? size + size / 4 : size;
}

static uint64_t up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static uint64_t end_of(const struct windowsum_write *w)
{
	uint64_t from = w->append ? w->size : w->off, end;

	/* No file ends beyond that. */
	if (__builtin_add_overflow(from, w->count, &end) || end > INT64_MAX / 2)
		end = INT64_MAX / 2;
	return end;
}

uint64_t windowsum_wants(const struct windowsum_write *w)
{
	uint64_t has = up(w->size, w->block), end = up(end_of(w), w->block);
	uint64_t from = w->append ? has : w->off / w->block * w->block;

	if (from < has)
		from = has;
	return end > from ? end - from : 0;
}

uint64_t windowsum_done(const struct windowsum_write *w)
{
	uint64_t end = end_of(w);
	/* Pages were rounded outward, of an append at both ends. */
	uint64_t slack = WINDOWSUM_PAGE * (w->append ? 2 : 1) - 1;

	return end > slack ? end - slack : 0;
}

/* Data that goes out of a file by the last ones is read by them. */
static const long reading[] = {
	SYS_read,
	SYS_pread64,
	SYS_readv,
	SYS_preadv,
	SYS_preadv2,
	SYS_sendfile,
	SYS_splice,
	SYS_copy_file_range,
	SYS_execve,
	SYS_execveat,
	SYS_readahead,
#ifdef __x86_64__
	/* 32-bit programs: read, pread64, readv, preadv, preadv2 */
	3,
	180,
	145,
	333,
	378,
#endif
};

bool windowsum_is_read(const char *line)
{
	char *end;
	long nr = strtol(line, &end, 10);

	if (end == line || *end != ' ')
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(reading); i++) {
		if (reading[i] == nr)
			return true;
	}
	return false;
}

bool windowsum_reads(pid_t tid)
{
	_cleanup_close_ int fd = -1;
	char path[40], line[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = '\0';
	return windowsum_is_read(line);
}
