/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_NODE_H
#define VEFS_TEMPLATES_NODE_H

/*
 * node - one inode of a template, and its bytes in an index (fs/FORMAT.md).
 *
 * A decoded node borrows names and values from the bytes it was decoded from.
 * Decoding believes nothing: what it gives lies within the bytes and makes
 * sense, or it is -EUCLEAN.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/base/digest.h"
#include "fs/base/store.h"
#include "fs/base/strbuf.h"
#include "templates/object.h"

#define NODE_NAME_MAX 255u
#define NODE_TARGET_MAX 4095u
#define NODE_ROOT 1u /* the root directory's number */

struct node {
	/* what makes the version's digest */
	uint32_t mode; /* S_IFMT and 07777 */
	uint32_t nlink;
	uint32_t uid, gid;
	uint64_t size;
	uint32_t rdev_major, rdev_minor;
	struct timespec mtime;
	struct object_id object; /* of a regular file; suffix is local */
	/* local: atime, ctime, blocks of 512 bytes */
	struct timespec atime, ctime;
	uint64_t blocks;
	/* the first of its names and the directory that has it */
	uint64_t parent;
	const char *name; /* no NUL behind it */
	uint32_t name_len;
	uint32_t target_len; /* of a symlink */
	const char *target;
	const uint8_t *xattrs; /* see node_xattr_next() */
	uint32_t xattrs_len;
};

/* What a name in a directory says: DT_ type of the inode, and its number. */
struct node_dirent {
	uint64_t ino;
	uint8_t type;
	uint16_t layer; /* of the import it came with; 0 once published */
};

/* Replace `out` by the bytes of a node. 0, -ENOMEM, -E2BIG. */
int node_encode(const struct node *n, struct strbuf *out);
int node_decode(const void *data, size_t len, struct node *out);

/*
 * Number `ino` of a table of nodes; borrowed from the transaction. -ENOENT, or
 * why it cannot be read.
 */
int node_get(struct store_txn *t, unsigned table, uint64_t ino,
	     struct node *out);

/* Feed the part of a node that counts for a version's digest. */
void node_digest(const struct node *n, struct digest_state *s);

#define NODE_DIRENT_BYTES 11u
void node_dirent_encode(const struct node_dirent *d,
			uint8_t out[NODE_DIRENT_BYTES]);
int node_dirent_decode(const void *data, size_t len, struct node_dirent *out);

/*
 * A name's key: the directory's number, 8 bytes big endian, then the name.
 * Returns its length; the name must have 1..NODE_NAME_MAX bytes.
 */
#define NODE_KEY_MAX (8u + NODE_NAME_MAX)
size_t node_key(uint64_t dir, const char *name, size_t len,
		uint8_t out[NODE_KEY_MAX]);
/* -EUCLEAN: no key of a name. The name is borrowed, no NUL behind it. */
int node_key_decode(const void *key, size_t len, uint64_t *dir,
		    const char **name, size_t *name_len);

/* One attribute; borrowed. The name has no NUL behind it. */
struct node_xattr {
	const char *name;
	const void *value;
	uint32_t name_len, value_len;
};

/*
 * Step through a node's attributes, which are sorted by name: *pos begins as
 * 0. 1: *x is one, 0: no more.
 */
int node_xattr_next(const struct node *n, size_t *pos, struct node_xattr *x);

/* -ENODATA: none of that name. */
int node_xattr_get(const struct node *n, const char *name,
		   struct node_xattr *x);

/*
 * Attributes in the making: add in any order, of equal names the last counts;
 * then sort them into `out`, which n->xattrs may borrow. -E2BIG: too many.
 */
struct node_xattrs {
	struct strbuf text; /* as encoded, unsorted */
	unsigned count;
};

#define NODE_XATTRS_MAX 4096u
#define NODE_XATTR_NAME_MAX 255u
#define NODE_XATTR_VALUE_MAX 65536u

void node_xattrs_clear(struct node_xattrs *x);
void node_xattrs_free(struct node_xattrs *x);
int node_xattrs_add(struct node_xattrs *x, const char *name, size_t name_len,
		    const void *value, size_t value_len);
int node_xattrs_sort(const struct node_xattrs *x, struct strbuf *out);

/* The DT_ type of a mode. */
static inline uint8_t node_type(uint32_t mode)
{
	return (uint8_t)((mode & S_IFMT) >> 12);
}

/* As stat would show it, with `ino`; st_dev stays 0. */
void node_stat(const struct node *n, uint64_t ino, struct stat *st);

#endif
