/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_LOOP_H
#define VEFS_FS_LOOP_H

/*
 * loop - threads that take requests from a device and have them handled.
 *
 * What a small request costs is the waking up of the one who waits for it, so
 * one thread, the leader, asks again without sleeping for a bounded time
 * after a request, as long as that has been paying; or better, it goes where
 * its client is (follow.h) and lends it the processor (lend.h). Nobody waits
 * while nothing happens: an idle loop makes no wake-ups.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOP_THREADS_MAX 64

/* How long may a request take? */
enum loop_length {
	LOOP_SHORT,
	LOOP_DATA, /* much to copy, most likely from memory to memory */
	LOOP_SLOW, /* it may wait for a disk */
};

struct loop_config {
	int fd;		    /* the device, reads of it block */
	int fd_busy;	    /* the same, non-blocking */
	unsigned threads;   /* 1..LOOP_THREADS_MAX */
	unsigned busy_poll; /* longest busy wait, us; 0: always sleep */
	size_t buffer;	    /* bytes that a request can have */
	int (*thread_begin)(void *ctx); /* in each thread, first; may be NULL */
	/*
	 * Requests that were read before: copy one into `request` and say by
	 * which descriptor it came; its length, 0: no more. May be NULL.
	 */
	size_t (*first)(void *ctx, void *request, int *fd);
	/*
	 * Another thread takes the lead before a slow one is handled; before
	 * one with much data unless all have come from one caller lately, who
	 * waits for nothing else.
	 */
	enum loop_length (*length)(const void *request, size_t len);
	/*
	 * The thread that waits for the answer, 0: none: who leads is to be on
	 * its processor. May be NULL: wherever it is.
	 */
	uint32_t (*caller)(const void *request, size_t len);
	/* `fd`: which of the two it came from; the answer goes there. */
	void (*handle)(void *ctx, void *request, size_t len, int fd);
	void *ctx;
};

/*
 * Serve until the device says that it is gone (ENODEV): 0. Or -errno of what
 * went wrong with it. All threads but the caller's have ended then.
 */
int loop_run(const struct loop_config *cfg);

#endif
