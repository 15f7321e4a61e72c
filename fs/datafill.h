/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_DATAFILL_H
#define VEFS_FS_DATAFILL_H

/*
 * datafill - the data of a regular file that has only its metadata in upper.
 */
#include "fs/overlay.h"

/* Copy `size` bytes of the lower file that has the view's data to `fd`. */
int datafill_copy(struct overlay *o, const struct itable_view *v, int fd,
		  off_t size);

/*
 * Bring the data of the inode, as in its view, up, or with `empty` none, and take its
 * marks away; its times stay, but for one that is emptied. One that fails is
 * as it was: -ENOSPC, -EDQUOT, -EIO and so on; when only the last sync of
 * fsync=strict failed, it has its data nevertheless (one that is emptied does
 * not fail then: that is seen). The caller holds off others and tells the
 * table.
 */
int datafill(struct overlay *o, struct inode *i, const struct itable_view *v,
	     bool empty);

/* Bytes that the data of a file of `size` bytes will take in upper at most. */
uint64_t datafill_space(struct overlay *o, const struct itable_view *v,
			off_t size);

/*
 * The guest sets these times, as utimensat() takes them, of a file that has
 * only its metadata in upper: should its data be on its way, they count. To be
 * called before. 0 or -errno.
 */
int datafill_times(int fd, const struct timespec set[2]);

/*
 * The guest looks at the capabilities of a file, which `fd` names: those that
 * a copy under way, or one that was cut off, has taken away are put back
 * before. May wait for its turn.
 */
void datafill_caps_look(struct overlay *o, struct inode *i,
			const struct itable_view *v, int fd);
/*
 * The guest has changed them, in the file's turn: what was kept of them does
 * not count any more. 0 or -errno.
 */
int datafill_caps_changed(int fd);

#endif
