/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_HOSTPROJECT_H
#define VEFS_QUOTA_HOSTPROJECT_H

/*
 * hostproject - the project quotas of XFS and ext4, for hostquota. Descriptors
 * are those of directories of the filesystem, open for reading. Functions
 * return 0 or -errno.
 *
 * Ids are taken from HOSTPROJECT_FIRST on: the first that has no record on the
 * filesystem (no usage, no limit) and is in neither /etc/projid nor
 * /etc/projects. Taken is what has a record: a limit is set before anybody
 * else may look, under a lock on the root of the mount.
 */
#include <stddef.h>
#include <stdint.h>

#define HOSTPROJECT_FIRST 0x56000000u
#define HOSTPROJECT_LAST 0x56ffffffu

/* Are limits of projects enforced? -EOPNOTSUPP with the reason. */
int hostproject_probe(int fd, char *why, size_t len);

/* Give the empty directory `fd` a project of its own. */
int hostproject_give(int fd, char *why, size_t len);

/* Its project, if what is made in it inherits it; 0: none. */
int hostproject_of(int fd, uint32_t *id);

/* Bytes; a limit of 0 is none. */
int hostproject_set(int fd, uint32_t id, uint64_t limit);
int hostproject_get(int fd, uint32_t id, uint64_t *limit, uint64_t *used);

#endif
