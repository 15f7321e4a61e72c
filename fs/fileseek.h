/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FILESEEK_H
#define VEFS_FS_FILESEEK_H

/*
 * fileseek - where an open file has data and where it has holes.
 */
#include <sys/types.h>

#include "fs/htable.h"
#include "fs/overlay.h"

/*
 * lseek(2) of the handle, by its descriptor `fd`. What was stored through a
 * mapping and is not written yet is never a hole. -ENXIO: there is none.
 */
off_t fileseek(struct overlay *o, const struct handle *h, int fd, off_t off,
	       int whence);

#endif
