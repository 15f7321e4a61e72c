/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_UPMARK_H
#define VEFS_FS_UPMARK_H

/* upmark - marks that an inode in upper needs before something else changes. */
#include "fs/overlay.h"

/*
 * A file in upper whose data lies below is found there by its name; before it
 * gets another one it must say where.
 */
int upmark_found(struct overlay *o, struct inode *i);

/*
 * Write into upper's directory of `dir` that a child with a record stands in
 * it. `dir` must be in upper.
 */
int upmark_impure(struct overlay *o, struct inode *dir);

#endif
