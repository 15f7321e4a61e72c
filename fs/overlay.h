/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_OVERLAY_H
#define VEFS_FS_OVERLAY_H

/*
 * overlay - one merged tree: the stack that everything else works on.
 *
 * stack.h assembles it. The operations on it are in their own modules, a family
 * each:
 *
 *	lookup	what the layers say about a name, and the inode for it
 *	attr	what an inode looks like; change: changing that
 *	dirsnap	listing a merged directory
 *	create, remove, rename, link	one name each
 *	copyup	giving an inode of a lower its place in upper
 *	file	open files and their data
 *	exattr	the guest's extended attributes
 *
 * Concurrency: the kernel runs at most one change of a directory at a time
 * and holds back lookups in it meanwhile (it keeps the directory's lock until
 * we answer), so operations on names take no lock of their own for that. What
 * can run beside them is a copy-up, started by a file's own operation; it and
 * they meet in atomic system calls on upper, and whoever loses such a race
 * (-EEXIST, -ENOENT) looks again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/fdcache.h"
#include "fs/ids.h"
#include "fs/itable.h"
#include "fs/layer.h"
#include "fs/options.h"
#include "fs/upper.h"

#define OVERLAY_LAYERS 256

struct dirsnap_cache;
struct htable;
struct backing;
struct gate;
struct window;
struct hostlimit;

struct overlay {
	struct itable *inodes;
	struct htable *handles;
	struct fdcache *fds;
	struct backing *backing;
	struct dirsnap_cache *listings;
	struct gate *gate;		      /* NULL: no quota */
	struct window *window;		      /* NULL: none */
	struct hostlimit *hostlimit;	      /* NULL: the gate alone */
	int quota_lock;			      /* the file, locked */
	int quota_dir;			      /* where its file is */
	bool quota_scan;		      /* usage is to be counted */
	struct upper *upper;		      /* NULL: read-only */
	struct layer *layers[OVERLAY_LAYERS]; /* by index; 0 is upper's */
	unsigned n_layers;		      /* highest index + 1 */
	struct ids ids;
	const struct options *opts; /* borrowed, outlives it */
	/* Tells the kernel that it does not know an inode's attributes. */
	void (*stale)(void *ctx, uint64_t nodeid);
	void *stale_ctx;
};

/*
 * The attributes of `i` changed by something else than what the kernel asked
 * for: a copy-up gave it, or a directory's upper side, new ones.
 */
void overlay_attr_stale(struct overlay *o, const struct inode *i);

/* The layer that a ref belongs to. */
static inline struct layer *overlay_layer(const struct overlay *o,
					  const struct ref *r)
{
	return o->layers[r->layer];
}

/*
 * Borrow upper's side of a directory; give it back with
 * fdcache_put(o->fds, ...) or OVERLAY_DIR.
 */
int overlay_upper_dir(struct overlay *o, const struct itable_view *v,
		      struct fdcache_ent **out);

struct overlay_dir {
	struct overlay *o;
	struct fdcache_ent *ent;
};

static inline void overlay_dir_end(struct overlay_dir *d)
{
	fdcache_put(d->o->fds, d->ent);
}

/* A borrowed directory for one scope. */
#define OVERLAY_DIR(name, overlay)                                             \
	__attribute__((cleanup(overlay_dir_end))) struct overlay_dir name = {  \
		.o = (overlay)                                                 \
	}

struct overlay_pin {
	struct overlay *o;
	struct inode *inode;
};

static inline void overlay_pin_end(struct overlay_pin *p)
{
	itable_unpin(p->o->inodes, p->inode);
}

/* A pinned inode for one scope. */
#define OVERLAY_PIN(name, overlay)                                             \
	__attribute__((cleanup(overlay_pin_end))) struct overlay_pin name = {  \
		.o = (overlay)                                                 \
	}

/*
 * A device number that stands on disk for the guest's own 0:0, which would
 * be a whiteout.
 */
#define OVERLAY_GUEST_WHITEOUT makedev(0, 0xfefe5)

#endif
