/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_XATTRIO_H
#define VEFS_FS_BASE_XATTRIO_H

/*
 * xattrio - extended attributes of the inode behind a descriptor, O_PATH ones
 * and symlinks included, never of what a symlink points to.
 *
 * Return 0 or a size, or -errno as the system calls do; size 0 asks for the
 * size needed.
 */
#include <stddef.h>
#include <sys/types.h>

ssize_t xattrio_get(int fd, const char *name, void *buf, size_t size);
ssize_t xattrio_list(int fd, char *buf, size_t size);
int xattrio_set(int fd, const char *name, const void *buf, size_t size,
		int flags);
int xattrio_remove(int fd, const char *name);

/* Of `name` in the directory `dirfd`, itself if it is a symlink. */
ssize_t xattrio_getat(int dirfd, const char *name, const char *attr, void *buf,
		      size_t size);

/*
 * The whole value or list, however long; *out is allocated, NUL behind it.
 * With `attr` NULL the list of names.
 */
ssize_t xattrio_dup(int fd, const char *attr, char **out);

#endif
