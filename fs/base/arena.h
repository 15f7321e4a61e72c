/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_ARENA_H
#define VEFS_FS_BASE_ARENA_H

/*
 * arena - small pieces of changing size in a shared memory region, named by
 * offset, so that they mean the same to every process that maps it.
 *
 * The region is cut into slabs of ARENA_SLAB bytes, each for pieces of one
 * size. A slab's size class stands in the region; which pieces are in use is
 * known to the users alone, so that a successor rebuilds this allocator with
 * arena_mark() from what its own tables still name. Slabs without a piece in
 * use are given back to the system. Not thread-safe: the caller locks.
 */
#include <stddef.h>
#include <stdint.h>

#include "fs/base/shm.h"

#define ARENA_SLAB 8192u
#define ARENA_MAX ARENA_SLAB /* largest piece */

struct arena;

/*
 * Manage the region `mem`, borrowed. Every class found in it stays. NULL: no
 * memory.
 */
struct arena *arena_new(const struct shm *mem);
void arena_free(struct arena *a);

/*
 * A piece of at least `len` bytes, 1..ARENA_MAX. Returns its offset, never 0,
 * or 0 when there is no room or `len` is too large. Its content is undefined.
 */
uint64_t arena_alloc(struct arena *a, size_t len);

/* Give a piece back. 0 is fine. */
void arena_release(struct arena *a, uint64_t off);

/* After a restart: this piece is in use. -EUCLEAN if it cannot be. */
int arena_mark(struct arena *a, uint64_t off);

/* Bytes in slabs that hold something. */
size_t arena_used(const struct arena *a);

static inline void *arena_at(const struct shm *mem, uint64_t off)
{
	return (char *)mem->base + off;
}

#endif
