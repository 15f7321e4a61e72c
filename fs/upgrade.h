/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_UPGRADE_H
#define VEFS_FS_UPGRADE_H

/*
 * upgrade - another program takes a live mount over: it is executed in the
 * keeper's process, with all descriptors, and told where the state is.
 */
#include <stdbool.h>
#include <stddef.h>

/* Names the descriptor of the state (state.h) in the new program. */
#define UPGRADE_ENV "VEFS_RESUME"

/* That descriptor, when this process takes over; -1: it does not. */
int upgrade_resumes(void);

/*
 * Would `program` understand our tables? It is run with --layout-is and our
 * number, and must end with the status upgrade_answer() gives. 0, or -errno
 * with a sentence in why[len].
 */
int upgrade_check(const char *program, char *why, size_t len);

/* The exit status of --layout-is. */
#define UPGRADE_FITS 84
#define UPGRADE_FITS_NOT 85
int upgrade_answer(const char *layout);

/*
 * Execute it with `argv`. Returns only when that failed, -errno; descriptors
 * are as before then. No other process or thread may use our table of them.
 */
int upgrade_exec(const char *program, char *const argv[], int state_fd);

/*
 * The same with the program that runs, for a process with other threads, which
 * open descriptors and note their numbers to the last: they are killed, with
 * this process. A copy of it that has the same table waits for that, calls
 * `alone` (which may use no lock that a thread has: it is a copy's), and is the
 * one that executes. Returns only when there is no copy, -errno: nothing
 * changed. Where processes are scarce it tries for a minute.
 */
int upgrade_take_over(char *const argv[], int state_fd,
		      void (*alone)(void *ctx), void *ctx);

#endif
