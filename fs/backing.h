/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BACKING_H
#define VEFS_FS_BACKING_H

/*
 * backing - the kernel's names for files that it reads and writes without us
 * (FUSE passthrough).
 *
 * An inode has at most one, for its upper file or its lower one. It stays
 * registered for a while after the last file was closed, so that the next
 * open costs no system call.
 */
#include "fs/overlay.h"

struct backing;

struct backing *backing_new(void);
void backing_free(struct backing *b);

/* The connection; after this passthrough is available. -1: it is not. */
void backing_set_channel(struct backing *b, int fd);
bool backing_available(const struct backing *b);

/*
 * The backing id of `i` for the data that `fd` names (O_PATH is enough);
 * registered if it has none. The inode's lock is held. > 0, or -errno.
 */
int backing_get_locked(struct overlay *o, struct inode *i, int fd);

/* Unregister; the inode's lock is held and no file is open with it. */
void backing_drop_locked(struct overlay *o, struct inode *i);

/* The last file was closed: keep it for a while. No lock held. */
void backing_idle(struct overlay *o, struct inode *i);

/* If no file is open with it, let it go now: its space is wanted back. */
void backing_forget_idle(struct overlay *o, struct inode *i);

/* An inode leaves the table. */
void backing_gone(struct overlay *o, int32_t id);

/*
 * In a process that takes over: unregister what its predecessor registered
 * and could not write down. `fd` is any regular file's.
 */
void backing_recover(struct overlay *o, int fd);

#endif
