/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_SESSION_H
#define VEFS_FS_SESSION_H

/*
 * session - one mount from beginning to end.
 */
#include <stdbool.h>
#include <stddef.h>

#include "fs/options.h"

struct session_hooks {
	/*
	 * Is it still wanted? Asked right before it is mounted: locks may have
	 * been waited for.
	 */
	bool (*wanted)(void *ctx);
	void (*live)(void *ctx); /* once, when the mount answers */
	/* The same in each process that answers requests, when it does. */
	void (*worker_live)(void *ctx);
	void *ctx;
	char *const *argv; /* the command line, for a program that takes over */
};

/*
 * Assemble, mount and serve until the mount is gone. SIGTERM, SIGINT and
 * SIGHUP unmount. Returns 0 after an unmount, or -errno with a sentence in
 * err[errlen] (nothing is mounted then). It also returns in the processes that
 * it makes, when these are done: the caller ends with the same status.
 */
int session_run(const struct options *opts, const struct session_hooks *hooks,
		char *err, size_t errlen);

#endif
