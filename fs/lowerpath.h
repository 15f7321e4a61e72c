/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_LOWERPATH_H
#define VEFS_FS_LOWERPATH_H

/*
 * lowerpath - paths below the roots of the lower layers, as redirects name
 * them: "/a/b", no "." or "..", never through a symlink.
 */
#include <stdbool.h>

#include "fs/overlay.h"

/*
 * Walk `path` in one layer. 0, -ENOENT (not in this layer), or another error.
 * *stop is set when an opaque directory or a whiteout on the way says that
 * the layers further down do not count.
 */
int lowerpath_walk(struct layer *l, const char *path, struct layer_entry *out,
		   bool *stop);

/* The path of a directory or file that has something below. Allocated. */
int lowerpath_of(struct overlay *o, struct inode *i, char **out);

/*
 * Replace the last component of an allocated path; without memory the path
 * stays.
 */
void lowerpath_replace_last(char **path, const char *name);

#endif
