/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_EXTENTS_H
#define VEFS_FS_EXTENTS_H

/*
 * extents - which parts of a file have blocks.
 *
 * By FIEMAP, also of what was allocated and never written. Where there is none
 * (tmpfs) by what lseek(2) says: such a part counts as missing then.
 */
#include <stdbool.h>
#include <stdint.h>

/* From `from` to `to` all is there. */
struct extents_run {
	uint64_t from, to;
};

/*
 * The run that has `off`, or the next one below `end`; it may go on behind
 * run->to. -ENODATA: there is none from here on.
 */
int extents_next(int fd, uint64_t off, uint64_t end, struct extents_run *run);

/*
 * Is some of the first `size` bytes missing, whatever st_blocks says? What has
 * a byte of a `block` has all of it. 0 or -errno.
 */
int extents_find_hole(int fd, uint64_t size, uint64_t block, bool *has);

#endif
