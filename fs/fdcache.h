/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FDCACHE_H
#define VEFS_FS_FDCACHE_H

/*
 * fdcache - a bounded number of open directories, found by ref.
 *
 * A borrowed entry stays open until it is given back, even when it has been
 * dropped or pushed out meanwhile. Thread-safe.
 */
#include "fs/ref.h"

struct fdcache;

struct fdcache_ent {
	int fd; /* the only public member */
};

/* Keeps at most `max` descriptors that nobody borrows. NULL: no memory. */
struct fdcache *fdcache_new(unsigned max);

/* All entries must have been given back. */
void fdcache_free(struct fdcache *c);

/* Borrow the directory `key`, or NULL when it is not here. */
struct fdcache_ent *fdcache_get(struct fdcache *c, const struct ref *key);

/*
 * Keep `fd` (taken in every case) as `key` and borrow it. If another thread
 * was faster its descriptor is the one returned. NULL: no memory.
 */
struct fdcache_ent *fdcache_add(struct fdcache *c, const struct ref *key,
				int fd);

/* Give a borrowed entry back. NULL is fine. */
/* Close what nobody borrows. */
void fdcache_clear(struct fdcache *c);

void fdcache_put(struct fdcache *c, struct fdcache_ent *e);

/* Forget `key`: its inode is going away. */
void fdcache_drop(struct fdcache *c, const struct ref *key);

#endif
