/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_FREEZE_H
#define VEFS_TEMPLATES_FREEZE_H

/*
 * freeze - a finished tree becomes the index of a version.
 *
 * Inodes are numbered anew, directory by directory in the order of names, so
 * that equal trees get equal numbers, children lie side by side, and the
 * tables are written in order. The version's digest is over all names and
 * inodes in that order, without what is local (atime, ctime, blocks, objects'
 * suffixes).
 */
#include "templates/seal.h"
#include "templates/tree.h"

struct freeze_text {
	const char *key;
	const char *text;
	size_t len;
};

/*
 * Write index.mdb into the directory `dir`, with `texts` (ended by a NULL key)
 * in it; nothing is synced. Fills all of *s but serial and created. -EFBIG: its
 * size is beyond 2^64.
 */
int freeze_write(struct tree *t, int dir, const struct freeze_text *texts,
		 struct seal *s, struct why *why);

#endif
