/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_LOWERPATH_H
#define VEFS_FS_LOWERPATH_H

/*
 * lowerpath - paths below the roots of the lower layers, as redirects name
 * them: "/a/b", no "." or "..", never through a symlink.
 */
#include <stdbool.h>

#include "fs/overlay.h"

/* What a layer says about those further down. */
struct lowerpath_below {
	bool stop;  /* a whiteout or an opaque directory: they do not count */
	char *path; /* directories on the way are called this there; allocated,
		       NULL: the same */
};

/*
 * Walk `path` in one layer. 0, -ENOENT (not in this layer), or another error.
 * *below is changed where there is something to say, also with -ENOENT.
 */
int lowerpath_walk(struct layer *l, const char *path, struct layer_entry *out,
		   struct lowerpath_below *below);

/* The path of a directory or file that has something below. Allocated. */
int lowerpath_of(struct overlay *o, struct inode *i, char **out);

/*
 * Replace the last component of an allocated path; without memory the path
 * stays.
 */
void lowerpath_replace_last(char **path, const char *name);

#endif
