/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/gc.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/u64map.h"
#include "templates/catalogpriv.h"
#include "templates/index.h"
#include "templates/staging.h"

/*
 * Why no object is removed that a version needs, now or later.
 *
 * An object's generation (its mtime) never goes down: it is looked at and raised
 * under the shard's lock, by one at a time. The store has an epoch, which gc
 * raises by one when it begins. An import has an epoch, read from the store
 * after its staging directory was there (staging.c). What it puts into the pool
 * has at least its epoch as generation before it has its name; what it finds
 * there gets at least its epoch under the shard's lock, with the name looked up
 * again under it (object.c).
 *
 * gc takes F, the lowest of the new epoch and of the epochs of all staging
 * directories there are after it was raised; then it marks what the published
 * versions hold, under the store's shared lock, so that none is published,
 * renamed or removed meanwhile; then it removes, shard by shard under the
 * shard's lock, what is not marked and of a generation below F.
 *
 * Take an object that a version V holds when V is published. Was that before
 * the marking, it is marked (or V was removed again). If not, V's import I
 * lived at the marking, or came later. Its staging directory was seen, then
 * F <= its epoch; or it was made after gc looked, then its epoch was read
 * after it was raised, and F <= the new epoch <= its epoch. Either way the
 * object has, from when I put or found it, a generation >= F, and is not
 * removed after that. It may have been removed just before: then I, looking
 * under the lock, does not find it and writes it.
 *
 * One that finds a generation >= its epoch takes no lock. That is right, too:
 * a gc that could still remove the object would have F above that generation,
 * so F > the epoch of a living import, which cannot be, as shown.
 *
 * Killed: nothing is half done, each object is there or not. A staging
 * directory whose owner is dead (its flock is free) is removed first, so it
 * holds F down no longer. A version that cannot be read might hold anything:
 * then nothing is removed. After a power cut an older epoch may be back; then
 * objects are younger than they should be and stay until it has passed them.
 * A removal of a version is on the disk before gc can see it.
 */

struct gc {
	struct catalog *c;
	struct object_pool pool;
	const struct gc_options *o;
	struct gc_result *out;
	struct u64map marked;
	uint64_t floor;
};

static int mark_one(void *ctx, _unused_ uint64_t ino, const struct node *n)
{
	struct gc *g = ctx;

	if (!S_ISREG(n->mode))
		return 0;
	return u64map_at(&g->marked, object_key(&n->object)) ? 0 : -ENOMEM;
}

static int mark_version(struct gc *g, const struct catalog_id *id,
			struct why *why)
{
	_cleanup_close_ int dir = catalog_hold(g->c, id, why);
	struct index *x;
	int r;

	if (dir < 0)
		return dir;
	r = index_open(dir, INDEX_CHECK, &x);
	if (r == 0) {
		r = index_each(x, mark_one, g);
		index_free(x);
	}
	if (r == -EUCLEAN || r == -ENOENT)
		return why_set(why, -EUCLEAN,
			       "%s:%s is damaged, so what it holds is not "
			       "known and nothing is freed: remove it first "
			       "('vefs template verify' tells more)",
			       id->name, id->version);
	return r < 0 ? why_sys(why, r, "reading %s:%s", id->name, id->version)
		     : 0;
}

static int mark(struct gc *g, struct why *why)
{
	_cleanup_free_ struct catalog_version *all = NULL;
	_cleanup_close_ int lock = catalog_lock(g->c, false, why);
	size_t n = 0;
	int r = lock < 0 ? lock : catalog_list(g->c, &all, &n, why);

	for (size_t i = 0; i < n && r == 0; i++)
		r = mark_version(g, &all[i].id, why);
	return r;
}

static int sweep_one(void *ctx, const struct object_id *id, const char *name)
{
	struct gc *g = ctx;
	struct stat st;

	if (u64map_find(&g->marked, object_key(id))) {
		g->out->kept++;
		return 0;
	}
	if (fstatat(g->pool.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((uint64_t)st.st_mtime >= g->floor) {
		g->out->young++;
		return 0;
	}
	if (!g->o->dry && unlinkat(g->pool.dir, name, 0) < 0)
		return -errno;
	g->out->freed++;
	g->out->blocks += (uint64_t)st.st_blocks;
	return 0;
}

static int sweep(struct gc *g, struct why *why)
{
	for (unsigned shard = 0; shard < 256; shard++) {
		_cleanup_close_ int lock = object_lock_shard(&g->pool, shard);
		int r = lock < 0 ? lock
				 : object_each(&g->pool, shard, sweep_one, g);

		if (r < 0)
			return why_sys(why, r, "sweeping objects/%02x", shard);
		if (g->o->progress && g->o->progress(g->o->ctx, shard, g->out))
			return why_set(why, -ECANCELED, "cancelled");
	}
	return 0;
}

int gc_run(struct catalog *c, const struct gc_options *o, struct gc_result *out,
	   struct why *why)
{
	struct gc g = { .c = c, .pool = catalog_pool(c), .o = o, .out = out };
	_cleanup_close_ int lock =
		catalogpriv_flock(c, "gc.lock", LOCK_EX, why);
	int r;

	*out = (struct gc_result){ 0 };
	if (lock < 0)
		return lock;
	r = staging_sweep(c, why);
	if (r >= 0) {
		out->swept = (unsigned)r;
		r = staging_new_epoch(c, &g.floor, why);
	}
	if (r == 0)
		r = mark(&g, why);
	if (r == 0)
		r = sweep(&g, why);
	u64map_free(&g.marked);
	return r;
}
