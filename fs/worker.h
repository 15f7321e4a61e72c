/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_WORKER_H
#define VEFS_FS_WORKER_H

/*
 * worker - the process that answers requests. It may die at any time: what
 * it knows stands in the tables that its keeper owns (slot.h, itable.h,
 * htable.h, state.h), and its successor goes on from there (recover.h).
 */
#include "fs/options.h"
#include "fs/overlay.h"
#include "fs/slot.h"
#include "fs/state.h"

/* What a worker finds; all of it the keeper's, as it was when it forked. */
struct worker_config {
	struct overlay *o;
	struct slot_table *slots;
	struct state *state;
	const struct options *opts;
	void (*live)(void *ctx); /* serves; in the worker */
	/* The keeper is gone: become one. Does not return if it can. */
	void (*orphaned)(void *ctx);
	void *ctx;
};

/*
 * Serve until the mount is gone: 0. Or -errno, logged: this worker cannot.
 * Called in a process of its own, with one thread and signals blocked.
 */
int worker_run(const struct worker_config *cfg);

#endif
