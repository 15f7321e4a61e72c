/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_IDS_H
#define VEFS_FS_IDS_H

/*
 * ids - owners as they are on disk, and as they show.
 *
 * On disk are the container's ids; a map adds its base on the way out and
 * takes it off on the way in. Ids outside every run show as 65534 and cannot
 * be set, but for the host's root, who acts as the container's. A squash shows one owner for everything and stores new owners
 * unchanged. Immutable after it is made.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs/options.h"

#define IDS_OVERFLOW 65534u
#define IDS_INVALID UINT32_MAX

struct ids {
	const struct options_idmap *uids, *gids; /* borrowed; n 0: identity */
	uint32_t squash_uid, squash_gid;	 /* OPTIONS_NOID: off */
};

bool ids_are_identity(const struct ids *ids);

uint32_t ids_uid_out(const struct ids *ids, uint32_t disk);
uint32_t ids_gid_out(const struct ids *ids, uint32_t disk);
/* IDS_INVALID: no id on disk shows as this one. */
uint32_t ids_uid_in(const struct ids *ids, uint32_t shown);
uint32_t ids_gid_in(const struct ids *ids, uint32_t shown);

void ids_stat_out(const struct ids *ids, struct stat *st);

/*
 * Translate the ids inside an attribute's value, in place: those of POSIX
 * ACLs, and whose root's file capabilities are; other names are left alone.
 * Capabilities of the container's root have no id on disk and get one on the
 * way out, so the value can grow to IDS_CAPS_MAX bytes: there must be room.
 * Returns the size, or -EINVAL for an id without a counterpart or a malformed
 * value.
 */
#define IDS_CAPS_MAX 24
ssize_t ids_xattr_out(const struct ids *ids, const char *name, void *value,
		      size_t size);
ssize_t ids_xattr_in(const struct ids *ids, const char *name, void *value,
		     size_t size);

#endif
