/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_LATE_H
#define VEFS_FS_LATE_H

/*
 * late - files that were changed lately, whose blocks may yet change.
 *
 * ext4 and XFS find a file's blocks when it is written back, and tidy up when
 * that has arrived: blocks of extents come and go on their own. Such a file
 * is kept in the inode table, so that what it is charged with is known, until
 * that must be over; then it is looked at a last time.
 */
#include "fs/overlay.h"

struct late;

/* NULL: no memory. */
struct late *late_new(void);
void late_free(struct late *l);

/* The inode has changed now. */
void late_add(struct overlay *o, struct late *l, struct inode *i);
/* It is dying: nobody keeps it. */
void late_drop(struct overlay *o, struct inode *i);

/*
 * Look at those whose time has come. Milliseconds until this should be called
 * again; -1: there is none.
 */
int late_look(struct overlay *o, struct late *l,
	      void (*look)(struct overlay *o, struct inode *i));

#endif
