/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_GATEFILE_H
#define VEFS_FS_GATEFILE_H

/*
 * gatefile - data that grows a file of upper, through the gate (gate.h).
 *
 * `fd` is a descriptor of the inode's upper file. Without a quota these are
 * the system calls. A write that goes beyond a limit writes what fits, as on
 * a disk that becomes full; the next one gets -ENOSPC or -EDQUOT.
 */
#include <sys/types.h>

#include "fs/overlay.h"

struct gatefile_bytes {
	const void *buf;
	size_t size;
	off_t off;
	int sync; /* 0, RWF_DSYNC, RWF_SYNC */
};

ssize_t gatefile_write(struct overlay *o, struct inode *i, int fd,
		       const struct gatefile_bytes *b);

/*
 * Below, a file that was ever filled (gatefile_fill) gets no holes: what grows
 * at its end takes all blocks up to there, punching writes zeros.
 */

/* 0 or -errno, and nothing has changed. */
int gatefile_truncate(struct overlay *o, struct inode *i, int fd, off_t size);

/* All or nothing. */
int gatefile_fallocate(struct overlay *o, struct inode *i, int fd, int mode,
		       off_t off, off_t len);

struct gatefile_copy {
	int in, out; /* out is the inode's */
	off_t off_in, off_out;
	size_t len;
};
/* As copy_file_range(2): perhaps less than asked for. */
ssize_t gatefile_copy(struct overlay *o, struct inode *i,
		      const struct gatefile_copy *c);

/*
 * What XFS has reserved behind the file's end is not counted: give it back
 * before a change at `off` that would make it the file's own, because it leaves
 * a hole there (UINT64_MAX: because it asks for blocks anywhere). No pass of
 * this thread has entered. 0 or -errno.
 */
int gatefile_give_back(struct overlay *o, int fd, uint64_t off);

/*
 * Give every hole of the file its blocks, now and for as long as the kernel
 * knows the inode: it will be written where we do not see it. 0 or -errno.
 */
int gatefile_fill(struct overlay *o, struct inode *i, int fd);

#endif
