/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_CREATE_H
#define VEFS_FS_CREATE_H

/*
 * create - new inodes: files, directories, symlinks, devices, unnamed files.
 */
#include "fs/overlay.h"

struct create_spec {
	mode_t mode;	    /* type and permissions */
	dev_t rdev;	    /* of a device */
	const char *target; /* of a symlink */
	uid_t uid;	    /* who makes it, outward */
	gid_t gid;
	mode_t umask;
	bool open; /* a regular file: keep it open, see result */
};

struct create_result {
	struct inode *inode; /* pinned */
	struct stat st;
	int fd; /* O_RDWR when asked for, else -1; the caller's */
};

/*
 * Make `name` in `parent`. -EEXIST, -EROFS, -ENOSPC, -EDQUOT, -EOVERFLOW (an
 * id outside the map), -EINVAL (a device number that is ours), -EPERM (a
 * whiteout's name in a layer that reads them).
 */
int create(struct overlay *o, struct inode *parent, const char *name,
	   const struct create_spec *spec, struct create_result *out);

/* O_TMPFILE in `parent`: a file without a name, until it is linked. */
int create_unnamed(struct overlay *o, struct inode *parent,
		   const struct create_spec *spec, struct create_result *out);

#endif
