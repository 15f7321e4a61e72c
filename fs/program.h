/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROGRAM_H
#define VEFS_FS_PROGRAM_H

/*
 * program - the program trees: where files of a lower are read by passthrough,
 * one page cache for all containers, because programs are replaced by rename
 * and not rewritten in place.
 */
#include <stdbool.h>

#include "fs/overlay.h"

#define PROGRAM_DEFAULT "/usr:/bin:/sbin:/lib:/lib32:/lib64:/libx32:/opt:/boot"

/* Does `name` in `parent` lie in a program tree? */
bool program_covers(struct overlay *o, struct inode *parent, const char *name);

#endif
