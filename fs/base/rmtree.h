/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_RMTREE_H
#define VEFS_FS_BASE_RMTREE_H

/*
 * rmtree - remove a file or a directory with all that is in it, however deep,
 * never through a symlink or into another mount; some 64 descriptors at most.
 * Stops at the first that cannot be removed. 0 (also when it is not there) or
 * -errno.
 */
int rmtree_at(int dirfd, const char *name);

#endif
