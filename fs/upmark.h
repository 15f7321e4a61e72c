/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_UPMARK_H
#define VEFS_FS_UPMARK_H

/* upmark - marks that an inode in upper needs before something else changes. */
#include "fs/overlay.h"

/*
 * Write into `i`'s inode in upper, which `fd` names, where its part below is.
 * Inside a pass that watches it. -ERANGE: the path is longer than upper keeps,
 * and nothing has changed.
 */
int upmark_redirect(struct overlay *o, struct inode *i, int fd);

/*
 * A file in upper whose data lies below is found there by its name; before it
 * gets another one it must say where, or where it cannot have its data. Errors
 * as copyup()'s. Outside of any pass.
 */
int upmark_found(struct overlay *o, struct inode *i);

/*
 * Write into upper's directory of `dir` that a child with a record stands in
 * it. `dir` must be in upper.
 */
int upmark_impure(struct overlay *o, struct inode *dir);

#endif
