/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_QUOTARECOUNT_H
#define VEFS_FS_QUOTARECOUNT_H

/*
 * quotarecount - a live mount's usage is counted while upper changes
 * (recount.h): changes wait while one inode is looked at, no longer.
 */
#include "fs/overlay.h"

/* Returns the number of inodes, or -errno: usage is as it was. */
int64_t quotarecount(struct overlay *o);

#endif
