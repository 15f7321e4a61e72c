/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_EXATTR_H
#define VEFS_FS_EXATTR_H

/*
 * exattr - the guest's extended attributes: names escaped (xattrs.h), ids in
 * ACLs and capabilities translated (ids.h), symlinks never followed.
 *
 * Return values as the system calls', negative errno.
 */
#include "fs/overlay.h"

ssize_t exattr_get(struct overlay *o, struct inode *i, const char *name,
		   void *buf, size_t size);
ssize_t exattr_list(struct overlay *o, struct inode *i, char *buf, size_t size);

struct exattr_value {
	const void *data;
	size_t size;
	int flags;	/* XATTR_CREATE, XATTR_REPLACE */
	bool kill_sgid; /* setgid falls with it */
};
int exattr_set(struct overlay *o, struct inode *i, const char *name,
	       const struct exattr_value *value);
int exattr_remove(struct overlay *o, struct inode *i, const char *name);

#endif
