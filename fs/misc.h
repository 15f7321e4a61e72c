/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_MISC_H
#define VEFS_FS_MISC_H

/*
 * misc - what is asked of an inode or of the whole tree without an open file.
 */
#include <stdbool.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "fs/overlay.h"

/* chattr and lsattr: FS_IOC_GETFLAGS, _SETFLAGS, _FSGETXATTR, _FSSETXATTR. */
struct misc_ioctl {
	unsigned cmd;
	const void *in;
	size_t in_size;
	void *out;
	size_t out_size;
};
int misc_ioctl(struct overlay *o, struct inode *i, const struct misc_ioctl *c);

/* fsync of a directory. */
int misc_fsyncdir(struct overlay *o, struct inode *dir, bool datasync);

/* The target of a symlink, NUL-terminated, into buf[size]. */
int misc_readlink(struct overlay *o, struct inode *i, char *buf, size_t size);

int misc_statfs(struct overlay *o, struct statvfs *out);

#endif
