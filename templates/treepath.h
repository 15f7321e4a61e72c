/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_TREEPATH_H
#define VEFS_TEMPLATES_TREEPATH_H

/*
 * treepath - entries of a tree by path, as archives have them.
 *
 * Nothing here is ever a path of this machine: ".." and absolute paths, and
 * entries below anything but directories, are refused (-EINVAL, -ELOOP,
 * -ENOTDIR). Parents that did not come are made, 0755 and root's.
 */
#include "templates/tree.h"

/* As tree_add_at(); "" and "." mean the root. */
int treepath_add(struct tree *t, const char *path, const struct node *n,
		 uint64_t *ino);

/* Another name of a file that came before. */
int treepath_link(struct tree *t, const char *path, const char *target);

/* Whiteout: what layers below have at `path` is gone. */
int treepath_whiteout(struct tree *t, const char *path);
/* Opaque: what layers below have in the directory `path` is gone. */
int treepath_opaque(struct tree *t, const char *path);

#endif
