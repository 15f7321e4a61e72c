/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_WINDOWSUM_H
#define VEFS_FS_WINDOWSUM_H

/*
 * windowsum - the arithmetic of a window (window.h), pure; and what the kernel
 * says that a task is doing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Nobody writes faster than this, all together; bytes a second. */
#define WINDOWSUM_RATE 8000000000ull
/* The kernel asks for ranges of whole pages. */
#define WINDOWSUM_PAGE 4096u

#define WINDOWSUM_PAUSE_MIN 1000000ull	  /* ns */
#define WINDOWSUM_PAUSE_MAX 1000000000ull /* ns */

/* How long to look away: half the time in which `room` can be used up. */
uint64_t windowsum_pause(uint64_t room);

/*
 * How near a limit is too near to look away for `took` ns, so long as one
 * look takes; `size` is the window, `asks` whether it is near already. It
 * stays near a little longer than it became so.
 */
uint64_t windowsum_near(uint64_t size, uint64_t took, bool asks);

/* What somebody is about to do to a file of `size` bytes. */
struct windowsum_write {
	uint64_t size, off, count;
	uint32_t block; /* bytes in which the filesystem allocates */
	bool append;	/* at the end, whatever `off` says */
};

/* Bytes that this adds beyond the end; holes before it count as full. */
uint64_t windowsum_wants(const struct windowsum_write *w);
/* The least size of the file by which it must be done. */
uint64_t windowsum_done(const struct windowsum_write *w);

/* Is this a system call that reads? `line` is from /proc/TID/syscall. */
bool windowsum_is_read(const char *line);
/* The same of a task that waits for our answer; false: not known. */
bool windowsum_reads(pid_t tid);

#endif
