/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_FLOCKWAIT_H
#define VEFS_FS_BASE_FLOCKWAIT_H

/*
 * flockwait - flock(2) where its holder may be about to end: umount(2), for
 * one, returns before the daemon of the mount has closed what it holds.
 */

/* As long as one that ends may take, on a busy machine, in milliseconds. */
#define FLOCKWAIT_ENDING 5000u

/*
 * Lock `fd`, LOCK_EX or LOCK_SH, and wait for `ms` milliseconds at most: 0
 * asks once. 0; -EBUSY: another still holds it; -EBADF, -EINVAL, -ENOLCK.
 */
int flockwait(int fd, int how, unsigned ms);

#endif
