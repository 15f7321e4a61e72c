/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_COPYUP_H
#define VEFS_FS_COPYUP_H

/*
 * copyup - giving an inode of a lower its place in upper.
 *
 * It appears there in one step, complete: made in work, data first, then
 * owner, attributes, mode and times, then its name. A crash before that leaves
 * nothing but a leftover that the next mount sweeps.
 */
#include "fs/overlay.h"

enum copyup_want {
	COPYUP_META,  /* its metadata is upper's; data may stay below */
	COPYUP_DATA,  /* its data too */
	COPYUP_EMPTY, /* it will be empty: no data is copied */
};

/*
 * Make it so for `i` and, as far as needed, its parents. Done already is
 * success. -EROFS without an upper; -ENOSPC, -EDQUOT, -EIO as they come, and
 * nothing has changed then. Several callers may want the same inode at once:
 * one works, the others wait.
 */
int copyup(struct overlay *o, struct inode *i, enum copyup_want want);

/*
 * In a process that takes over: a copy-up of `i` may have come as far as
 * upper without the table knowing. Work has been swept.
 */
int copyup_settle(struct overlay *o, struct inode *i);

#endif
