/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_OBJECT_H
#define VEFS_TEMPLATES_OBJECT_H

/*
 * object - the pool: the data of regular files, each once, named by content.
 *
 * An object is a file objects/ab/cdef..., mode 0444, never changed once it has
 * its name; the digest is of its content with runs of zero blocks counted, not
 * read (fs/FORMAT.md). Two contents of one digest have names that differ in a
 * suffix. An object's mtime is its generation: who uses an object that is
 * there already raises it to his own, so that gc.h sees.
 *
 * A pool is used from many threads at once; a writer by one.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/base/digest.h"

struct object_id {
	struct digest digest;
	uint32_t suffix; /* 0 but for the other contents of one digest */
};

/* A number that stands for an object; two may share one, hardly ever. */
static inline uint64_t object_key(const struct object_id *id)
{
	uint64_t k = 0;

	for (int i = 0; i < 8; i++)
		k = k << 8 | id->digest.bytes[i];
	return (k ^ id->suffix) >> 1;
}

/* Room for "ab/cdef....4294967295". */
#define OBJECT_NAME_MAX 48

struct object_pool {
	int dir;	/* objects/, borrowed */
	int staging;	/* where files are made; borrowed, -1: reading only */
	uint64_t epoch; /* of who puts objects in: their generation */
};

/* The name below objects/; returns `name`. */
const char *object_name(const struct object_id *id, char name[OBJECT_NAME_MAX]);

/* Open an object, or -errno; -ENOENT: it is missing. */
int object_open(const struct object_pool *p, const struct object_id *id,
		int flags);

/* Make the 256 directories, those that are missing. */
int object_init(int dir);

/* What became of content that was put in. */
struct object_put {
	struct object_id id;
	uint64_t size;	 /* of the content */
	uint64_t blocks; /* of 512 bytes that the object takes */
	bool shared;	 /* it was there already */
};

/* Content in the making. */
struct object_writer;

/* For one content after the other. NULL: no memory. */
struct object_writer *object_writer_new(const struct object_pool *p);
void object_writer_free(struct object_writer *w);

/*
 * Put `len` bytes in at once. With `sparse` the content had holes: zero blocks
 * become holes again however short. 0 or -errno, and then nothing was put.
 */
int object_put(struct object_writer *w, const void *data, size_t len,
	       bool sparse, struct object_put *out);

/*
 * The same piece by piece: begin, then data in the order of offsets, holes
 * between them; end with the size. object_begin() forgets what was begun.
 */
int object_begin(struct object_writer *w);
int object_write(struct object_writer *w, uint64_t off, const void *data,
		 size_t len);
int object_end(struct object_writer *w, uint64_t size, struct object_put *out);

/*
 * Read an object and compare with its name and the size it should have. 0,
 * -ENOENT, -EUCLEAN: it is not what its name says, or -errno.
 */
int object_verify(const struct object_pool *p, const struct object_id *id,
		  uint64_t size);

/* Each object of shard 0..255. Non-zero ends it and is given back. */
typedef int (*object_each_fn)(void *ctx, const struct object_id *id,
			      const char *name);
int object_each(const struct object_pool *p, unsigned shard, object_each_fn fn,
		void *ctx);

/*
 * Shards are locked (flock) by gc to decide and remove, and by who raises a
 * generation: of two with different epochs the later one has the last word.
 * Returns the descriptor to close, or -errno.
 */
int object_lock_shard(const struct object_pool *p, unsigned shard);

#endif
