/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/itable.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/log.h"
#include "fs/dirlayer.h"
#include "fs/itablepriv.h"
#include "fs/itableset.h"
#include "fs/refpack.h"

/*
 * States of a record: free (nodeid 0) or in use. It is freed, under `mutex`,
 * when nlookup and refs are both 0; freeing may drop the last reference of
 * its parent, and so on upward.
 *
 * Invariants: `hashed` says whether an inode is in the chain of its key, and
 * two hashed inodes never have the same key. A record's `blob` is replaced by
 * one store: whoever reads it after a crash sees the old or the new.
 *
 * Lock order: inode lock -> mutex.
 */
/* Put `bytes` in place of the record's blob. */
int itablepriv_blob_replace(struct itable *t, struct itable_rec *rec,
			    const uint8_t *bytes, size_t len)
{
	uint64_t old = atomic_load(&rec->blob);
	uint64_t off = arena_alloc(t->arena, len);

	if (!off)
		return -ENOMEM;
	if (refpack_pins(bytes))
		t->head->pinned = 1;
	memcpy(arena_at(&t->blob_mem, off), bytes, len);
	atomic_store(&rec->blob, off << 16 | len);
	arena_release(t->arena, old >> 16);
	return 0;
}

/* The identity: upper's ref, else the first lower's; both stand first. */
static void key_of(const struct itable *t, const struct itable_rec *rec,
		   struct ref *key)
{
	refpack_get(itablepriv_blob(t, rec) + 2, key);
}

/* The index by identity. */

static uint32_t *chain(struct itable *t, const struct ref *key)
{
	return &t->buckets[ref_hash(key) & (t->n_buckets - 1)];
}

void itablepriv_hash_add(struct itable *t, struct inode *i)
{
	struct ref key;
	uint32_t *head;

	key_of(t, itablepriv_rec(t, i), &key);
	head = chain(t, &key);
	i->hash_next = *head;
	i->hashed = 1;
	*head = (uint32_t)(i - t->inodes);
}

void itablepriv_hash_del(struct itable *t, struct inode *i)
{
	uint32_t self = (uint32_t)(i - t->inodes), *p;
	struct ref key;

	if (!i->hashed)
		return;
	key_of(t, itablepriv_rec(t, i), &key);
	for (p = chain(t, &key); *p != self; p = &t->inodes[*p].hash_next)
		;
	*p = i->hash_next;
	i->hashed = 0;
}

static void hash_resize(struct itable *t, uint32_t n)
{
	uint32_t *fresh = calloc(n, sizeof(*fresh)), *old = t->buckets;
	uint32_t n_old = t->n_buckets;

	if (!fresh)
		return;
	t->buckets = fresh;
	t->n_buckets = n;
	for (uint32_t b = 0; b < n_old; b++) {
		for (uint32_t x = old[b], next; x; x = next) {
			next = t->inodes[x].hash_next;
			itablepriv_hash_add(t, &t->inodes[x]);
		}
	}
	free(old);
}

void itablepriv_hash_fit(struct itable *t)
{
	if (t->n_inodes > t->n_buckets)
		hash_resize(t, t->n_buckets * 2);
	else if (t->n_buckets > HASH_MIN && t->n_inodes < t->n_buckets / 8)
		hash_resize(t, t->n_buckets / 2);
}

void itablepriv_hash_size(struct itable *t, uint32_t n)
{
	uint32_t size = t->n_buckets;

	while (size < n)
		size *= 2;
	hash_resize(t, size);
}

static struct inode *hash_find(struct itable *t, const struct ref *key)
{
	for (uint32_t x = *chain(t, key); x; x = t->inodes[x].hash_next) {
		struct ref other;

		key_of(t, &t->recs[x], &other);
		if (ref_same(&other, key))
			return &t->inodes[x];
	}
	return NULL;
}

/* Records. */

static struct inode *rec_alloc(struct itable *t)
{
	uint32_t x = slots_take(t->slots);

	if (x == SLOTS_NONE)
		return NULL;
	if (x >= t->head->high)
		t->head->high = x + 1;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is mapped */
	t->inodes[x] = (struct inode){ .refs = 0 };
	return &t->inodes[x];
}

static void rec_release(struct itable *t, uint32_t x)
{
	uint32_t page = slots_put(t->slots, x);

	if (page == SLOTS_NONE)
		return;
	shm_giveback(&t->recs_mem, (size_t)page * SHM_PAGE, SHM_PAGE);
	shm_giveback(&t->priv_mem, (size_t)page * SHM_PAGE, SHM_PAGE);
}

static void close_pins(const struct itable *t, const struct itable_rec *rec)
{
	const uint8_t *p = itablepriv_blob(t, rec);
	unsigned n = p[0] + (rec->flags & INODE_UPPER ? 1u : 0u);
	struct ref r;

	p += 2;
	while (n-- > 0) {
		p += refpack_get(p, &r);
		dirlayer_ref_close(&r);
	}
	if (rec->pin)
		close(rec->pin - 1);
}

/* Free what nobody holds any more, upward. Drops the mutex for the callback. */
void itablepriv_reap(struct itable *t, struct inode *i)
{
	while (i) {
		struct itable_rec *rec = itablepriv_rec(t, i);
		uint32_t parent;
		int32_t backing;

		if (i->refs > 0 || rec->nlookup > 0 || !rec->nodeid)
			return;
		parent = rec->parent;
		backing = rec->backing;
		itablepriv_hash_del(t, i);
		rec->nodeid = 0; /* invisible from here on */
		pthread_mutex_unlock(&t->mutex);
		CRASH_POINT(INODE_GONE);
		if (t->gone)
			t->gone(t->gone_ctx, i, backing);
		pthread_mutex_lock(&t->mutex);
		close_pins(t, rec);
		arena_release(t->arena, atomic_load(&rec->blob) >> 16);
		memset(rec, 0, sizeof(*rec));
		rec_release(t, (uint32_t)(i - t->inodes));
		t->n_inodes--;
		itablepriv_hash_fit(t);
		i = NULL;
		if (parent) {
			i = &t->inodes[parent];
			i->refs--;
		}
	}
}

static int map_tables(struct itable *t, const int fds[ITABLE_FDS])
{
	size_t bytes = MAX_INODES / SLOTS_PER_PAGE * (size_t)SHM_PAGE;
	int r, other;

	if (!fds) {
		r = shm_new(&t->recs_mem, "vefs-inodes", bytes);
		return r < 0 ? r
			     : shm_new(&t->blob_mem, "vefs-arena", ARENA_BYTES);
	}
	r = shm_attach(&t->recs_mem, fds[0], bytes);
	other = shm_attach(&t->blob_mem, fds[1], ARENA_BYTES);
	return r < 0 ? r : other;
}

int itablepriv_reset(struct itable *t)
{
	arena_free(t->arena);
	slots_free(t->slots);
	free(t->buckets);
	shm_clear(&t->priv_mem);
	t->n_buckets = HASH_MIN;
	t->n_inodes = 0;
	t->n_lookups = 0;
	t->moving = 0;
	t->arena = arena_new(&t->blob_mem);
	t->slots = slots_new(MAX_INODES, 1); /* 0 is the header's */
	t->buckets = calloc(t->n_buckets, sizeof(*t->buckets));
	return t->arena && t->slots && t->buckets ? 0 : -ENOMEM;
}

struct itable *itable_new(const int fds[ITABLE_FDS])
{
	struct itable *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->mutex, NULL);
	t->recs_mem.fd = t->priv_mem.fd = t->blob_mem.fd = -1;
	if (map_tables(t, fds) < 0 ||
	    shm_new_private(&t->priv_mem, MAX_INODES / SLOTS_PER_PAGE *
						  (size_t)SHM_PAGE) < 0 ||
	    itablepriv_reset(t) < 0) {
		itable_free(t);
		return NULL;
	}
	t->head = t->recs_mem.base;
	t->recs = t->recs_mem.base;
	t->inodes = t->priv_mem.base;
	if (!fds) {
		t->head->layout = ITABLE_LAYOUT;
		t->head->generation = 1;
	}
	return t;
}

void itable_memfds(const struct itable *t, int fds[ITABLE_FDS])
{
	fds[0] = t->recs_mem.fd;
	fds[1] = t->blob_mem.fd;
}

void itable_free(struct itable *t)
{
	if (!t)
		return;
	for (uint32_t x = 1; t->head && x < t->head->high; x++) {
		if (t->recs[x].nodeid)
			close_pins(t, &t->recs[x]);
	}
	arena_free(t->arena);
	slots_free(t->slots);
	free(t->buckets);
	shm_free(&t->recs_mem);
	shm_free(&t->priv_mem);
	shm_free(&t->blob_mem);
	pthread_mutex_destroy(&t->mutex);
	free(t);
}

static int make_locked(struct itable *t, const struct itable_seed *s,
		       struct inode **out)
{
	uint8_t bytes[REFPACK_BOUND(1)];
	_cleanup_free_ uint8_t *big = NULL;
	struct itable_rec *rec;
	uint8_t *blob = bytes;
	struct inode *i;
	size_t len;

	if (s->n_lower > 1) {
		blob = big = malloc(REFPACK_BOUND(s->n_lower));
		if (!big)
			return -ENOMEM;
	}
	i = rec_alloc(t);
	if (!i)
		return -ENOMEM;
	rec = itablepriv_rec(t, i);
	memset(rec, 0, sizeof(*rec));
	len = refpack_blob(blob, &s->upper, s->lower, s->n_lower, s->name);
	if (itablepriv_blob_replace(t, rec, blob, len) < 0) {
		rec_release(t, (uint32_t)(i - t->inodes));
		return -ENOMEM;
	}
	rec->ino = s->ino;
	rec->parent = s->parent;
	rec->flags = s->flags;
	rec->type = s->type;
	rec->link_delta = s->link_delta;
	CRASH_POINT(INODE_MADE);
	rec->nodeid = (uint64_t)t->head->generation++ << 32 |
		      (uint32_t)(i - t->inodes);
	if (s->parent)
		t->inodes[s->parent].refs++;
	t->n_inodes++;
	itablepriv_hash_add(t, i);
	itablepriv_hash_fit(t);
	*out = i;
	return 0;
}

int itable_set_root(struct itable *t, const struct itable_seed *seed)
{
	struct inode *i;
	int r;

	pthread_mutex_lock(&t->mutex);
	r = make_locked(t, seed, &i);
	if (r == 0) {
		itablepriv_rec(t, i)->nodeid = ITABLE_ROOT;
		itablepriv_rec(t, i)->nlookup = 1;
		t->n_lookups++;
	}
	pthread_mutex_unlock(&t->mutex);
	return r;
}

struct inode *itable_get(struct itable *t, uint64_t nodeid)
{
	uint32_t x = (uint32_t)nodeid;
	struct inode *i = NULL;

	pthread_mutex_lock(&t->mutex);
	if (nodeid && x < t->head->high && t->recs[x].nodeid == nodeid) {
		i = &t->inodes[x];
		i->refs++;
	}
	pthread_mutex_unlock(&t->mutex);
	return i;
}

struct inode *itable_get_index(struct itable *t, uint32_t x)
{
	struct inode *i = NULL;

	pthread_mutex_lock(&t->mutex);
	if (x && x < t->head->high && t->recs[x].nodeid) {
		i = &t->inodes[x];
		i->refs++;
	}
	pthread_mutex_unlock(&t->mutex);
	return i;
}

struct inode *itable_find(struct itable *t, const struct ref *key)
{
	struct inode *i;

	pthread_mutex_lock(&t->mutex);
	i = hash_find(t, key);
	if (i)
		i->refs++;
	pthread_mutex_unlock(&t->mutex);
	return i;
}

struct inode *itable_pin(struct itable *t, struct inode *i)
{
	pthread_mutex_lock(&t->mutex);
	i->refs++;
	pthread_mutex_unlock(&t->mutex);
	return i;
}

void itable_unpin(struct itable *t, struct inode *i)
{
	if (!i)
		return;
	pthread_mutex_lock(&t->mutex);
	i->refs--;
	itablepriv_reap(t, i);
	pthread_mutex_unlock(&t->mutex);
}

static void seed_close(const struct itable_seed *seed)
{
	struct ref r = seed->upper;

	dirlayer_ref_close(&r);
	for (unsigned n = 0; n < seed->n_lower; n++) {
		r = seed->lower[n];
		dirlayer_ref_close(&r);
	}
}

/* Upper has it, the table not yet: a copy-up is about to tell it. */
static struct inode *find_moving(struct itable *t, uint64_t ino)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is mapped */
	for (uint32_t x = t->moving; x; x = t->inodes[x].move_next) {
		if (t->recs[x].ino == ino)
			return &t->inodes[x];
	}
	return NULL;
}

static struct inode *find_locked(struct itable *t,
				 const struct itable_seed *seed,
				 const struct ref *key)
{
	struct inode *i = hash_find(t, key);

	if (!i && (seed->flags & INODE_RECORD))
		i = find_moving(t, seed->ino);
	return i;
}

uint64_t itable_moves(struct itable *t)
{
	uint64_t n;

	pthread_mutex_lock(&t->mutex);
	n = t->moves;
	pthread_mutex_unlock(&t->mutex);
	return n;
}

void itable_move_begin(struct itable *t, struct inode *i)
{
	pthread_mutex_lock(&t->mutex);
	itablepriv_rec(t, i)->flags |= INODE_MOVING;
	i->move_next = t->moving;
	t->moving = itable_index(t, i);
	pthread_mutex_unlock(&t->mutex);
}

void itable_move_end(struct itable *t, struct inode *i)
{
	uint32_t self = itable_index(t, i), *p = &t->moving;

	pthread_mutex_lock(&t->mutex);
	while (*p != self)
		p = &t->inodes[*p].move_next;
	*p = i->move_next;
	itablepriv_rec(t, i)->flags &= ~(uint32_t)INODE_MOVING;
	pthread_mutex_unlock(&t->mutex);
}

int itable_intern(struct itable *t, const struct itable_seed *seed,
		  struct inode **out)
{
	const struct ref *key = ref_is(&seed->upper) ? &seed->upper
						     : &seed->lower[0];
	struct inode *i;
	bool known;
	int r = 0;

	pthread_mutex_lock(&t->mutex);
	i = find_locked(t, seed, key);
	known = i != NULL;
	if (!known)
		r = ref_is(&seed->upper) || seed->moves == t->moves
			    ? make_locked(t, seed, &i)
			    : -EAGAIN;
	if (r == 0)
		i->refs++;
	pthread_mutex_unlock(&t->mutex);
	if (known || r < 0)
		seed_close(seed);
	if (known && itable_index(t, i) != ITABLE_ROOT) {
		lock_acquire(&i->lock);
		/* A failure leaves the former name, which is as good. */
		(void)itableset_name_locked(t, i, seed->parent, seed->name);
		lock_release(&i->lock);
	}
	if (r == 0)
		*out = i;
	return r;
}

uint32_t itable_index(const struct itable *t, const struct inode *i)
{
	return (uint32_t)(i - t->inodes);
}

uint64_t itable_nodeid(const struct itable *t, const struct inode *i)
{
	return itablepriv_rec(t, i)->nodeid;
}

uint32_t itable_flags(const struct itable *t, const struct inode *i)
{
	return itablepriv_rec(t, i)->flags;
}

void itable_view_locked(struct itable *t, struct inode *i,
			struct itable_view *v)
{
	struct itable_rec *rec = itablepriv_rec(t, i);

	v->nodeid = rec->nodeid;
	v->ino = rec->ino;
	v->parent = rec->parent;
	v->flags = rec->flags;
	v->type = rec->type;
	v->link_delta = rec->link_delta;
	v->pin = rec->pin - 1;
	v->blob_len = itablepriv_blob_len(rec);
	memcpy(v->blob, itablepriv_blob(t, rec), v->blob_len);
	v->n_lower = v->blob[0];
	v->upper = REF_NONE;
	if (v->flags & INODE_UPPER)
		refpack_get(v->blob + 2, &v->upper);
}

void itable_view(struct itable *t, struct inode *i, struct itable_view *v)
{
	lock_acquire(&i->lock);
	itable_view_locked(t, i, v);
	lock_release(&i->lock);
}

void itable_view_lower(const struct itable_view *v, unsigned n, struct ref *out)
{
	const uint8_t *p = v->blob + 2;
	unsigned skip = n + (v->flags & INODE_UPPER ? 1u : 0u);

	do
		p += refpack_get(p, out);
	while (skip-- > 0);
}

const char *itable_view_name(const struct itable_view *v,
			     char buf[ITABLE_NAME_MAX + 1])
{
	size_t n = v->blob[1];

	memcpy(buf, v->blob + v->blob_len - n, n);
	buf[n] = '\0';
	return buf;
}

void itable_split_locked(struct itable *t, struct inode *i)
{
	pthread_mutex_lock(&t->mutex);
	itablepriv_hash_del(t, i);
	itablepriv_rec(t, i)->flags |= INODE_SPLIT;
	pthread_mutex_unlock(&t->mutex);
}

void itable_on_gone(struct itable *t, itable_gone_fn fn, void *ctx)
{
	t->gone = fn;
	t->gone_ctx = ctx;
}

uint32_t itablepriv_next(const struct itable *t, uint32_t x)
{
	size_t off;

	if (x % SLOTS_PER_PAGE != 0)
		return x;
	/* Looking at a page that was given back would take it again. */
	off = shm_next_data(&t->recs_mem, x * sizeof(struct itable_rec));
	off /= sizeof(struct itable_rec);
	return off < t->head->high ? (uint32_t)off : t->head->high;
}

void itable_stats(struct itable *t, struct itable_stats *out)
{
	pthread_mutex_lock(&t->mutex);
	out->inodes = t->n_inodes;
	out->lookups = t->n_lookups;
	out->backing = 0;
	for (uint32_t x = 1; x < t->head->high; x = itablepriv_next(t, x + 1))
		out->backing += t->recs[x].nodeid && t->recs[x].backing > 0;
	out->arena_bytes = arena_used(t->arena);
	pthread_mutex_unlock(&t->mutex);
}
