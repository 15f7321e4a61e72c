/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_OVERRIDE_H
#define VEFS_FS_OVERRIDE_H

/*
 * override - owner and mode kept in an attribute (xattr_permissions=2), for
 * storage that cannot be chowned: "user.containers.override_stat", as
 * containers/storage writes it:
 *
 *	UID:GID:MODE[:TYPE]	decimal, decimal, octal
 *
 * TYPE is ignored: an inode is what it is. Regular files and directories
 * only, others take no user attributes.
 */
#include <sys/stat.h>

#define OVERRIDE_XATTR "user.containers.override_stat"

/*
 * Put what the attribute of `fd` says into *st. 0 also when there is none;
 * -EINVAL when it is malformed.
 */
int override_read(int fd, struct stat *st);

/* Write owner and mode of *st into the attribute of `fd`. */
int override_write(int fd, const struct stat *st);

#endif
