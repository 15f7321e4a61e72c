/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_WALK_H
#define VEFS_QUOTA_WALK_H

/*
 * walk - every inode of some trees, by several threads: fd-relative, never
 * following links, never leaving the filesystem. Nothing is opened but
 * directories, and only so many at once, however deep a tree is.
 *
 * What changes meanwhile is seen or not; what vanishes is no error.
 */
#include <sys/stat.h>

#define WALK_THREADS_MAX 16u

/*
 * A name: `st` of it, not followed. A directory comes as "." in itself; hard
 * links come once for each name. Called by several threads at once, told
 * apart by `thread` (0 to threads - 1). Not 0: ends the walk, which returns
 * it.
 */
typedef int (*walk_fn)(void *ctx, unsigned thread, int dirfd, const char *name,
		       struct stat *st);

struct walk_config {
	const int *roots; /* directories of one filesystem; borrowed */
	unsigned n_roots; /* `fn` sees the first one itself, of the others
			   * only what is in them */
	unsigned threads; /* 1 to WALK_THREADS_MAX */
	walk_fn fn;
	void *ctx;
};

/*
 * 0, what `fn` returned, -ENOMEM, -EINVAL when `threads` is out of bounds,
 * -EXDEV when the roots are not on one filesystem, or why a directory could
 * not be read.
 */
int walk_run(const struct walk_config *cfg);

#endif
