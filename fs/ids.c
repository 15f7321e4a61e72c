/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/ids.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

/* A POSIX ACL as xattr: include/uapi/linux/posix_acl_xattr.h. */
#define ACL_VERSION 2u
#define ACL_TAG_USER 0x02u
#define ACL_TAG_GROUP 0x08u

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

typedef uint32_t (*map_fn)(const struct ids *, uint32_t);

struct direction {
	map_fn uid, gid;
};

static const struct direction out_ward = { ids_uid_out, ids_gid_out };
static const struct direction in_ward = { ids_uid_in, ids_gid_in };

static uint32_t map(const struct options_idmap *m, uint32_t id, bool out,
		    uint32_t missing)
{
	if (m->n == 0)
		return id;
	for (size_t i = 0; i < m->n; i++) {
		const struct options_idrun *r = &m->runs[i];
		uint32_t from = out ? r->disk : r->shown;
		uint32_t to = out ? r->shown : r->disk;

		if (id >= from && id - from < r->count)
			return to + (id - from);
	}
	return missing;
}

bool ids_are_identity(const struct ids *ids)
{
	return ids->uids->n == 0 && ids->gids->n == 0 &&
	       ids->squash_uid == OPTIONS_NOID &&
	       ids->squash_gid == OPTIONS_NOID;
}

uint32_t ids_uid_out(const struct ids *ids, uint32_t disk)
{
	if (ids->squash_uid != OPTIONS_NOID)
		return ids->squash_uid;
	return map(ids->uids, disk, true, IDS_OVERFLOW);
}

uint32_t ids_gid_out(const struct ids *ids, uint32_t disk)
{
	if (ids->squash_gid != OPTIONS_NOID)
		return ids->squash_gid;
	return map(ids->gids, disk, true, IDS_OVERFLOW);
}

/* The host's root, where it has no place in the map, is the container's. */
uint32_t ids_uid_in(const struct ids *ids, uint32_t shown)
{
	return map(ids->uids, shown, false, shown ? IDS_INVALID : 0);
}

uint32_t ids_gid_in(const struct ids *ids, uint32_t shown)
{
	return map(ids->gids, shown, false, shown ? IDS_INVALID : 0);
}

void ids_stat_out(const struct ids *ids, struct stat *st)
{
	st->st_uid = ids_uid_out(ids, st->st_uid);
	st->st_gid = ids_gid_out(ids, st->st_gid);
}

static ssize_t acl_translate(const struct ids *ids, const struct direction *dir,
			     unsigned char *value, size_t size)
{
	uint32_t version;

	if (size < sizeof(version) || (size - 4) % sizeof(struct acl_entry))
		return -EINVAL;
	memcpy(&version, value, sizeof(version));
	if (le32toh(version) != ACL_VERSION)
		return -EINVAL;
	for (size_t off = 4; off < size; off += sizeof(struct acl_entry)) {
		struct acl_entry e;
		uint32_t id;

		memcpy(&e, value + off, sizeof(e));
		id = le32toh(e.id);
		if (le16toh(e.tag) == ACL_TAG_USER)
			id = dir->uid(ids, id);
		else if (le16toh(e.tag) == ACL_TAG_GROUP)
			id = dir->gid(ids, id);
		else
			continue;
		if (id == IDS_INVALID)
			return -EINVAL;
		e.id = htole32(id);
		memcpy(value + off, &e, sizeof(e));
	}
	return (ssize_t)size;
}

/* Revision 2 is that of root 0, revision 3 names its root. */
static ssize_t caps_translate(const struct ids *ids,
			      const struct direction *dir, unsigned char *value,
			      size_t size)
{
	struct vfs_ns_cap_data caps = { .rootid = 0 };
	uint32_t magic, id;

	if (size != XATTR_CAPS_SZ_2 && size != XATTR_CAPS_SZ_3)
		return (ssize_t)size;
	memcpy(&caps, value, size);
	id = dir->uid(ids, le32toh(caps.rootid));
	if (id == IDS_INVALID)
		return -EINVAL;
	magic = le32toh(caps.magic_etc) & ~(uint32_t)VFS_CAP_REVISION_MASK;
	magic |= id ? VFS_CAP_REVISION_3 : VFS_CAP_REVISION_2;
	size = id ? XATTR_CAPS_SZ_3 : XATTR_CAPS_SZ_2;
	caps.magic_etc = htole32(magic);
	caps.rootid = htole32(id);
	memcpy(value, &caps, size);
	return (ssize_t)size;
}

static ssize_t translate(const struct ids *ids, const struct direction *dir,
			 const char *name, void *value, size_t size)
{
	if (ids_are_identity(ids))
		return (ssize_t)size;
	if (strncmp(name, "system.posix_acl_", 17) == 0)
		return acl_translate(ids, dir, value, size);
	if (strcmp(name, "security.capability") == 0)
		return caps_translate(ids, dir, value, size);
	return (ssize_t)size;
}

ssize_t ids_xattr_out(const struct ids *ids, const char *name, void *value,
		      size_t size)
{
	return translate(ids, &out_ward, name, value, size);
}

ssize_t ids_xattr_in(const struct ids *ids, const char *name, void *value,
		     size_t size)
{
	return translate(ids, &in_ward, name, value, size);
}
