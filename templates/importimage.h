/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_IMPORTIMAGE_H
#define VEFS_TEMPLATES_IMPORTIMAGE_H

/*
 * importimage - container images: an OCI image layout or a docker archive,
 * each as a directory or in a tar. The layers are laid one on the other, the
 * configuration (entrypoint, environment...) is kept in im->config.
 */
#include "templates/importpriv.h"

/* From a directory; -ENOENT without a word: it holds no image. */
int importimage_dir(struct import *im, int dir, const char *name);

/* From a tar, read to its end. */
int importimage_tar(struct import *im, int fd, const char *name);

/* Does a tar begin with an entry of this name as images do? */
bool importimage_is_first(const char *path);

#endif
