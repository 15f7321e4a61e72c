/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_REF_H
#define VEFS_FS_REF_H

/*
 * ref - the name of one inode in one layer, good for the life of the inode.
 *
 * Usually a file handle, so that a hundred thousand known inodes cost no file
 * descriptors; where the layer's filesystem gives no handles (and for an
 * unlinked inode, whose handle no longer opens) an O_PATH descriptor pins it.
 * A template layer puts its own inode number in here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define REF_BYTES 40
#define REF_PINNED 0xffffu /* type: `fd` is the inode; bytes its st_ino */
#define REF_UPPER 0	   /* layer: the writable one; lowers count from 1 */

struct ref {
	uint8_t layer;
	uint8_t len; /* 0: no such inode */
	uint16_t type;
	int32_t fd; /* REF_PINNED only, else -1 */
	uint8_t bytes[REF_BYTES];
};

#define REF_NONE ((struct ref){ .fd = -1 })

static inline bool ref_is(const struct ref *r)
{
	return r->len != 0;
}

/* The same inode of the same layer, however it is held? */
static inline bool ref_same(const struct ref *a, const struct ref *b)
{
	return a->layer == b->layer && a->len == b->len && a->type == b->type &&
	       memcmp(a->bytes, b->bytes, a->len) == 0;
}

static inline uint64_t ref_hash(const struct ref *r)
{
	uint64_t h = 0x9e3779b97f4a7c15ull * (r->layer + 1u);

	for (unsigned i = 0; i < r->len; i++)
		h = (h ^ r->bytes[i]) * 0x100000001b3ull;
	return h ^ (h >> 32);
}

#endif
