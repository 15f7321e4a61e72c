/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FILESYNC_H
#define VEFS_FS_FILESYNC_H

/*
 * filesync - fsync(2) of files that may have been copied up.
 *
 * An inode is settled (INODE_SETTLED) once a whole sync of it succeeded after
 * its data were copied up: from then on a sync of the data alone is one. All
 * take a pinned inode, not locked. With fsync=none nothing is synced, and all
 * succeed.
 */
#include <stdbool.h>

#include "fs/itable.h"
#include "fs/overlay.h"

/*
 * Sync by a descriptor of the inode's file in upper. 0, or -errno of fsync(2)
 * or fdatasync(2).
 */
int filesync_fd(struct overlay *o, struct inode *i, int fd, bool datasync);

/*
 * Sync the inode's file in upper, if it has one: what is open may be the lower
 * layer's. 0, or -errno, of opening it too.
 */
int filesync_upper(struct overlay *o, struct inode *i, bool datasync);

/*
 * Before an open with these flags hands the file in upper out: whole syncs
 * that do not come by us must find it settled. 0, or -errno; never an error
 * with O_TRUNC.
 */
int filesync_settle(struct overlay *o, struct inode *i, int flags);

#endif
