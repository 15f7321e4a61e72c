/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_RECOVER_H
#define VEFS_FS_RECOVER_H

/*
 * recover - a new worker makes good what the death of the last one left:
 * tables, descriptors, files in work, and the requests it had not answered.
 */
#include <stddef.h>

#include "fs/fuse.h"
#include "fs/overlay.h"
#include "fs/slot.h"
#include "fs/state.h"

/* Requests that were read and wait for somebody to handle them. */
struct recover_backlog;

/*
 * Nobody else of this mount runs. `server` has had its INIT. 0 with *backlog
 * to be worked off, -ENODEV: the mount is gone, or -errno: it cannot go on.
 */
int recover(struct overlay *o, struct slot_table *slots,
	    struct fuse_server *server, const struct state *state,
	    struct recover_backlog **backlog);

/* loop.h's `first`, for any thread. */
size_t recover_next(struct recover_backlog *b, void *request, int *fd);
void recover_backlog_free(struct recover_backlog *b);

#endif
