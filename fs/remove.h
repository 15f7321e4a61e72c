/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_REMOVE_H
#define VEFS_FS_REMOVE_H

/* remove - unlink and rmdir. */
#include "fs/overlay.h"

/*
 * Remove `name` from `parent`: a directory with `is_dir`, else anything else.
 * -ENOENT, -ENOTDIR, -EISDIR, -ENOTEMPTY, -EROFS, and upper's own errors.
 */
int remove_name(struct overlay *o, struct inode *parent, const char *name,
		bool is_dir);

#endif
