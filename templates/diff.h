/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_DIFF_H
#define VEFS_TEMPLATES_DIFF_H

/*
 * diff - what two versions differ in: path by path, directory by directory.
 */
#include "templates/index.h"
#include "templates/why.h"

#define DIFF_ADDED 1u	  /* only in the second */
#define DIFF_REMOVED 2u	  /* only in the first */
#define DIFF_TYPE 4u	  /* another kind of file */
#define DIFF_CONTENT 8u	  /* data, target of a symlink, device number */
#define DIFF_METADATA 16u /* mode, owner, mtime, attributes, links */

/* A path that differs, from "/" on. Non-zero ends it and is given back. */
typedef int (*diff_fn)(void *ctx, const char *path, unsigned what,
		       const struct node *a, const struct node *b);

int diff_run(struct index *a, struct index *b, diff_fn fn, void *ctx);

#endif
