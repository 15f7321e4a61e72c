/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_RMTREE_H
#define VEFS_FS_BASE_RMTREE_H

/*
 * rmtree - remove a file or a directory with all that is in it, never through
 * a symlink or into another mount. `depth` bounds how many directories deep.
 * 0 (also when it is not there) or -errno; -ELOOP: too deep.
 */
int rmtree_at(int dirfd, const char *name, unsigned depth);

#endif
