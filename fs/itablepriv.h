/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_ITABLEPRIV_H
#define VEFS_FS_ITABLEPRIV_H

/*
 * itablepriv - the inode table from inside, for itable.c and itableset.c:
 * what stands in shared memory, and what they lend each other.
 *
 * The records' layout and that of the blobs (refpack.h) are what ITABLE_LAYOUT
 * numbers: change the number with them.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "fs/base/arena.h"
#include "fs/base/shm.h"
#include "fs/base/slots.h"
#include "fs/itable.h"

#define MAX_INODES (16u << 20)
#define ARENA_BYTES ((size_t)2 << 30)
#define HASH_MIN 1024u

struct itable_rec {
	uint64_t nodeid;
	uint64_t nlookup;
	uint64_t ino;
	_Atomic uint64_t blob; /* offset << 16 | length */
	uint32_t parent;
	_Atomic uint32_t flags; /* read without a lock, too */
	uint32_t type;
	int32_t link_delta;
	int32_t backing;
	int32_t pin; /* descriptor + 1 */
	uint32_t spare[2];
};

_Static_assert(sizeof(struct itable_rec) * SLOTS_PER_PAGE == SHM_PAGE,
	       "a page holds a word of the bitmap");
_Static_assert(sizeof(struct inode) * SLOTS_PER_PAGE == SHM_PAGE,
	       "and the private half does too");

struct itable_header {
	uint32_t layout;
	uint32_t high;		      /* indexes below have been used */
	uint32_t generation;	      /* of the next nodeid */
	int32_t last_backing;	      /* the newest backing id in a record */
	_Atomic uint32_t registering; /* a newer one may be in none */
	uint32_t pinned;	      /* some ref was one with a descriptor */
};

struct itable {
	pthread_mutex_t mutex;
	struct shm recs_mem, priv_mem, blob_mem;
	struct itable_header *head; /* record 0's place */
	struct itable_rec *recs;
	struct inode *inodes;
	struct arena *arena;
	struct slots *slots; /* which records are in use */
	uint32_t *buckets;
	uint32_t n_buckets; /* a power of two */
	uint32_t n_inodes;
	uint64_t n_lookups;
	uint64_t moves;
	bool suspects; /* some inode is one */
	void (*on_suspect)(void);
	uint32_t moving; /* the first of those between two identities */
	itable_gone_fn gone;
	void *gone_ctx;
};

static inline struct itable_rec *itablepriv_rec(const struct itable *t,
						const struct inode *i)
{
	return &t->recs[i - t->inodes];
}

static inline const uint8_t *itablepriv_blob(const struct itable *t,
					     const struct itable_rec *rec)
{
	return arena_at(
		&t->blob_mem,
		atomic_load_explicit(&rec->blob, memory_order_relaxed) >> 16);
}

static inline uint16_t itablepriv_blob_len(const struct itable_rec *rec)
{
	return (uint16_t)atomic_load_explicit(&rec->blob, memory_order_relaxed);
}

/* The next record, from `x` on, that may hold something; `high` at the end. */
uint32_t itablepriv_next(const struct itable *t, uint32_t x);

/* Make the private half as it is before the first inode. */
int itablepriv_reset(struct itable *t);

/* All with the mutex held. */
void itablepriv_hash_add(struct itable *t, struct inode *i);
void itablepriv_hash_del(struct itable *t, struct inode *i);
/* As many chains as the number of inodes asks for. */
void itablepriv_hash_fit(struct itable *t);
/* For so many that will come. */
void itablepriv_hash_size(struct itable *t, uint32_t n);
/* Put `bytes` in place of the record's blob; -ENOMEM leaves the old one. */
int itablepriv_blob_replace(struct itable *t, struct itable_rec *rec,
			    const uint8_t *bytes, size_t len);
/* Free what nobody holds any more, upward; drops the mutex meanwhile. */
void itablepriv_reap(struct itable *t, struct inode *i);

#endif
