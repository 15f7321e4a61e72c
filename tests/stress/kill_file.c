/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files beside the tree of a process: a log that grows record by record, a
 * file with holes, and one that is larger than a request.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/stress/kill.h"

#define LOG_RECORDS 3000 /* then it begins anew */
#define BIG (900u * 1024)

static void put_record(char *text, unsigned who, uint32_t n)
{
	snprintf(text, KILL_RECORD + 1, "%4u %26u\n", who, n);
}

static void open_log(struct kill_proc *p)
{
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
	long fd;

	if (p->logged >= LOG_RECORDS)
		flags |= O_TRUNC;
	fd = KILL_DO(p, 0, "log", openat(p->top, "log", flags, 0644));
	p->log_fd = fd < 0 ? 0 : (int)fd;
	if (fd >= 0)
		p->log_there = true;
	if (fd >= 0 && (flags & O_TRUNC))
		p->logged = 0;
}

/* Each record exactly once, and in order. */
void kill_log_check(struct kill_proc *p)
{
	char got[KILL_RECORD + 1] = "", want[KILL_RECORD + 1];
	uint32_t n = 0;
	long size;
	int fd = (int)KILL_DO(p, p->log_there ? 0 : ENOENT, "log",
			      openat(p->top, "log", O_RDONLY | O_CLOEXEC));

	if (fd < 0)
		return;
	while ((size = KILL_DO(p, 0, "log", read(fd, got, KILL_RECORD))) > 0) {
		put_record(want, p->self, n);
		if (size != KILL_RECORD ||
		    memcmp(got, want, KILL_RECORD) != 0) {
			KILL_WRONG(p, "log: '%.*s' at record %u", (int)size - 1,
				   got, n);
			break;
		}
		n++;
	}
	if (n != p->logged && !p->broken)
		KILL_WRONG(p, "log: %u records, expected %u", n, p->logged);
	kill_close(p, fd, "log");
}

static void op_log(struct kill_proc *p)
{
	char record[KILL_RECORD + 1];
	long n;

	if (!p->log_fd) {
		open_log(p);
		return;
	}
	for (unsigned times = 1 + kill_random(p, 4); times; times--) {
		put_record(record, p->self, p->logged);
		n = KILL_DO(p, 0, "log", write(p->log_fd, record, KILL_RECORD));
		if (n != KILL_RECORD && !p->broken)
			KILL_WRONG(p, "log: %ld bytes of a record written", n);
		if (p->broken)
			return;
		p->logged++;
	}
	if (kill_chance(p, 60))
		kill_log_check(p);
	if (kill_chance(p, 20) || p->logged >= LOG_RECORDS) {
		kill_close(p, p->log_fd, "log");
		p->log_fd = 0;
	}
}

static void expect_at(struct kill_proc *p, const char *what, long got,
		      long from, long to)
{
	if (!p->broken && (got < from || got > to))
		KILL_WRONG(p, "holes: %s at %ld, expected %ld to %ld", what,
			   got, from, to);
}

/* A page, a hole of a megabyte, a page. */
static void op_holes(struct kill_proc *p)
{
	const long far = 1 << 20;
	unsigned char page[KILL_PAGE];
	long at;
	int fd = (int)KILL_DO(p, 0, "holes",
			      openat(p->top, "holes",
				     O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC,
				     0600));

	if (fd < 0)
		return;
	kill_pattern(page, sizeof(page), 0, 1);
	kill_put(p, fd, page, sizeof(page), 0, "holes");
	kill_put(p, fd, page, sizeof(page), far, "holes");
	at = KILL_DO(p, 0, "holes", lseek(fd, 0, SEEK_HOLE));
	expect_at(p, "a hole", at, KILL_PAGE, far);
	at = KILL_DO(p, 0, "holes", lseek(fd, far / 2, SEEK_DATA));
	expect_at(p, "data", at, far / 2, far);
	at = KILL_DO(p, 0, "holes", lseek(fd, far, SEEK_HOLE));
	expect_at(p, "the end", at, far + KILL_PAGE, far + KILL_PAGE);
	KILL_DO(p, ENXIO, "holes", lseek(fd, far + KILL_PAGE, SEEK_DATA));
	memset(page, 0, sizeof(page));
	kill_compare(p, fd, page, sizeof(page), far / 2, "holes");
	kill_close(p, fd, "holes");
	KILL_DO(p, 0, "holes", unlinkat(p->top, "holes", 0));
}

static void write_big(struct kill_proc *p, int fd, uint32_t size,
		      uint32_t number)
{
	static unsigned char buf[256 * 1024];

	for (uint32_t off = 0, len; off < size && !p->broken; off += len) {
		len = 1 + kill_random(p, sizeof(buf));
		if (len > size - off)
			len = size - off;
		kill_pattern(buf, len, off, number);
		kill_put(p, fd, buf, len, off, "big");
	}
}

static void read_big(struct kill_proc *p, int fd, uint32_t size,
		     uint32_t number)
{
	unsigned char buf[8192];

	for (uint32_t off = 0, len; off < size && !p->broken; off += len) {
		len = size - off < sizeof(buf) ? size - off : sizeof(buf);
		kill_pattern(buf, len, off, number);
		kill_compare(p, fd, buf, len, off, "big");
	}
}

/* Written, renamed, read by another descriptor, removed. */
static void op_big(struct kill_proc *p)
{
	uint32_t size = 1 + kill_random(p, BIG), number = kill_random(p, 1000);
	int fd = (int)KILL_DO(p, 0, "big",
			      openat(p->top, "big",
				     O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC,
				     0600));

	if (fd < 0)
		return;
	write_big(p, fd, size, number);
	if (kill_chance(p, 4))
		KILL_DO(p, 0, "big", fsync(fd));
	kill_close(p, fd, "big");
	KILL_DO(p, 0, "big", renameat(p->top, "big", p->top, "bigger"));
	fd = (int)KILL_DO(p, 0, "bigger",
			  openat(p->top, "bigger", O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return;
	read_big(p, fd, size, number);
	KILL_DO(p, 0, "bigger", unlinkat(p->top, "bigger", 0));
	kill_close(p, fd, "bigger");
}

void kill_file_end(struct kill_proc *p)
{
	if (p->log_fd)
		kill_close(p, p->log_fd, "log");
	p->log_fd = 0;
	/* what it has is not sure any more: begin anew */
	if (p->broken)
		p->logged = LOG_RECORDS;
}

const struct kill_op kill_file_ops[] = {
	{ "log", 10, op_log },
	{ "holes", 2, op_holes },
	{ "big", 1, op_big },
	{ NULL, 0, NULL },
};
