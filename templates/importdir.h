/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_IMPORTDIR_H
#define VEFS_TEMPLATES_IMPORTDIR_H

/*
 * importdir - a directory as it is into the tree: everything on its own
 * filesystem; what is mounted below comes as an empty directory. It should not
 * change meanwhile: a file that shrinks is an error.
 */
#include "templates/importpriv.h"

/* `root` is borrowed. */
int importdir_read(struct import *im, int root, const char *name);

#endif
