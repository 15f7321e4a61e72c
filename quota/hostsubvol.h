/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_HOSTSUBVOL_H
#define VEFS_QUOTA_HOSTSUBVOL_H

/*
 * hostsubvol - the quota groups of btrfs's subvolumes, for hostquota. Functions
 * return 0 or -errno.
 *
 * The state of quotas and usage are read where the kernel shows them,
 * /sys/fs/btrfs/UUID/qgroups; limits are set by ioctl.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Are quotas on, and what they say right? -EOPNOTSUPP with the reason. */
int hostsubvol_probe(int fd, char *why, size_t len);

int hostsubvol_create(int dirfd, const char *name);

/* With all that is in it, and its group. */
int hostsubvol_destroy(int dirfd, const char *name);

/* The subvolume that `fd` is in, and whether it is its root. */
int hostsubvol_of(int fd, uint64_t *id, bool *root);

/* Not the filesystem's first, nor one of its own trees. */
bool hostsubvol_is_own(uint64_t id);

bool hostsubvol_same_fs(int a, int b);

/* Bytes; a limit of 0 is none. */
int hostsubvol_set(int fd, uint64_t id, uint64_t limit);
int hostsubvol_get(int fd, uint64_t id, uint64_t *limit, uint64_t *used);

#endif
