/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEPROCOPS_H
#define VEFS_FS_FUSEPROCOPS_H

/*
 * fuseprocops - what the kernel asks of the virtual files, operation by
 * operation. Of fuseproc alone.
 */
#include "fs/fuseprocpriv.h"

extern const struct fuse_lowlevel_ops fuseprocops;

/* Free what openings and images there are. */
void fuseprocops_free(struct fuseproc_mount *m);

#endif
