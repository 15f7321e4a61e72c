/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_LINK_H
#define VEFS_FS_LINK_H

/* link - one more name for an inode, or the first for an unnamed one. */
#include "fs/overlay.h"

/*
 * Name `i` also `name` in `parent`; *st are its attributes afterwards.
 * -EEXIST, -EMLINK, -EROFS, and upper's own errors.
 */
int link_name(struct overlay *o, struct inode *i, struct inode *parent,
	      const char *name, struct stat *st);

#endif
