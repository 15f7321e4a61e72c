/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/itable.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>

#include "fs/base/arena.h"
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/base/shm.h"
#include "fs/dirlayer.h"

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
#define MAX_INODES (16u << 20)
#define ARENA_BYTES ((size_t)2 << 30)
#define PER_PAGE 64u
#define SPARE_PAGES 8u
#define HASH_MIN 1024u

struct itable_rec {
	uint64_t nodeid;
	uint64_t nlookup;
	uint64_t ino;
	_Atomic uint64_t blob; /* offset << 16 | length */
	uint32_t parent;
	uint32_t flags;
	uint32_t type;
	int32_t link_delta;
	int32_t backing;
	int32_t pin; /* descriptor + 1 */
	uint32_t spare[2];
};

_Static_assert(sizeof(struct itable_rec) * PER_PAGE == SHM_PAGE,
	       "a page holds a word of the bitmap");
_Static_assert(sizeof(struct inode) * PER_PAGE == SHM_PAGE,
	       "and the private half does too");

struct itable_header {
	uint32_t layout;
	uint32_t high;	     /* indexes below have been used */
	uint32_t generation; /* of the next nodeid */
};

struct itable {
	pthread_mutex_t mutex;
	struct shm recs_mem, priv_mem, blob_mem;
	struct itable_header *head; /* record 0's place */
	struct itable_rec *recs;
	struct inode *inodes;
	struct arena *arena;
	uint64_t *used_map; /* one word a page; untouched until used */
	uint32_t hint;	    /* no page below has a free record */
	uint32_t empty_pages;
	uint32_t *buckets;
	uint32_t n_buckets; /* a power of two */
	uint32_t n_inodes;
	uint64_t n_lookups;
	itable_gone_fn gone;
	void *gone_ctx;
};

/* Blobs: n_lower, name's length, then upper, lowers, name. */

static size_t ref_pack(uint8_t *out, const struct ref *r)
{
	uint8_t *p = out;

	*p++ = r->layer;
	*p++ = r->len;
	memcpy(p, &r->type, sizeof(r->type));
	p += sizeof(r->type);
	if (r->type == REF_PINNED) {
		memcpy(p, &r->fd, sizeof(r->fd));
		p += sizeof(r->fd);
	}
	memcpy(p, r->bytes, r->len);
	return (size_t)(p - out) + r->len;
}

static size_t ref_unpack(const uint8_t *in, struct ref *r)
{
	const uint8_t *p = in;

	r->layer = *p++;
	r->len = *p++;
	memcpy(&r->type, p, sizeof(r->type));
	p += sizeof(r->type);
	r->fd = -1;
	if (r->type == REF_PINNED) {
		memcpy(&r->fd, p, sizeof(r->fd));
		p += sizeof(r->fd);
	}
	memcpy(r->bytes, p, r->len);
	return (size_t)(p - in) + r->len;
}

static size_t blob_pack(uint8_t *out, const struct ref *upper,
			const struct ref *lower, unsigned n_lower,
			const char *name)
{
	size_t name_len = strlen(name);
	uint8_t *p = out;

	*p++ = (uint8_t)n_lower;
	*p++ = (uint8_t)name_len;
	if (ref_is(upper))
		p += ref_pack(p, upper);
	for (unsigned i = 0; i < n_lower; i++)
		p += ref_pack(p, &lower[i]);
	memcpy(p, name, name_len);
	return (size_t)(p - out) + name_len;
}

/* An upper bound of what blob_pack() writes. */
#define BLOB_BOUND(n_lower)                                                    \
	(2 + ((n_lower) + 1) * sizeof(struct ref) + ITABLE_NAME_MAX)

static struct itable_rec *rec_of(const struct itable *t, const struct inode *i)
{
	return &t->recs[i - t->inodes];
}

static const uint8_t *blob_of(const struct itable *t,
			      const struct itable_rec *rec)
{
	return arena_at(
		&t->blob_mem,
		atomic_load_explicit(&rec->blob, memory_order_relaxed) >> 16);
}

static uint16_t blob_len(const struct itable_rec *rec)
{
	return (uint16_t)atomic_load_explicit(&rec->blob, memory_order_relaxed);
}

/* Put `bytes` in place of the record's blob. */
static int blob_replace_locked(struct itable *t, struct itable_rec *rec,
			       const uint8_t *bytes, size_t len)
{
	uint64_t old = atomic_load(&rec->blob);
	uint64_t off = arena_alloc(t->arena, len);

	if (!off)
		return -ENOMEM;
	memcpy(arena_at(&t->blob_mem, off), bytes, len);
	atomic_store(&rec->blob, off << 16 | len);
	arena_release(t->arena, old >> 16);
	return 0;
}

/* The identity: upper's ref, else the first lower's; both stand first. */
static void key_of(const struct itable *t, const struct itable_rec *rec,
		   struct ref *key)
{
	ref_unpack(blob_of(t, rec) + 2, key);
}

/* The index by identity. */

static uint32_t *chain(struct itable *t, const struct ref *key)
{
	return &t->buckets[ref_hash(key) & (t->n_buckets - 1)];
}

static void hash_add(struct itable *t, struct inode *i)
{
	struct ref key;
	uint32_t *head;

	key_of(t, rec_of(t, i), &key);
	head = chain(t, &key);
	i->hash_next = *head;
	i->hashed = 1;
	*head = (uint32_t)(i - t->inodes);
}

static void hash_del(struct itable *t, struct inode *i)
{
	uint32_t self = (uint32_t)(i - t->inodes), *p;
	struct ref key;

	if (!i->hashed)
		return;
	key_of(t, rec_of(t, i), &key);
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
			hash_add(t, &t->inodes[x]);
		}
	}
	free(old);
}

static void hash_fit(struct itable *t)
{
	if (t->n_inodes > t->n_buckets)
		hash_resize(t, t->n_buckets * 2);
	else if (t->n_buckets > HASH_MIN && t->n_inodes < t->n_buckets / 8)
		hash_resize(t, t->n_buckets / 2);
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
	uint32_t page = t->hint, x;

	while (page < MAX_INODES / PER_PAGE && t->used_map[page] == ~0ull)
		page++;
	t->hint = page;
	if (page == MAX_INODES / PER_PAGE)
		return NULL;
	if (t->used_map[page] == 0 && t->empty_pages > 0 &&
	    (page + 1) * PER_PAGE <= t->head->high)
		t->empty_pages--;
	x = page * PER_PAGE + (uint32_t)__builtin_ctzll(~t->used_map[page]);
	t->used_map[page] |= t->used_map[page] + 1;
	if (x >= t->head->high)
		t->head->high = x + 1;
	memset(&t->inodes[x], 0, sizeof(t->inodes[x]));
	return &t->inodes[x];
}

static void rec_release(struct itable *t, uint32_t x)
{
	uint32_t page = x / PER_PAGE;

	t->used_map[page] &= ~(1ull << (x % PER_PAGE));
	if (page < t->hint)
		t->hint = page;
	if (t->used_map[page] != 0)
		return;
	if (t->empty_pages < SPARE_PAGES) {
		t->empty_pages++;
		return;
	}
	shm_giveback(&t->recs_mem, (size_t)page * SHM_PAGE, SHM_PAGE);
	shm_giveback(&t->priv_mem, (size_t)page * SHM_PAGE, SHM_PAGE);
}

static void close_pins(const struct itable *t, const struct itable_rec *rec)
{
	const uint8_t *p = blob_of(t, rec);
	unsigned n = p[0] + (rec->flags & INODE_UPPER ? 1u : 0u);
	struct ref r;

	p += 2;
	while (n-- > 0) {
		p += ref_unpack(p, &r);
		dirlayer_ref_close(&r);
	}
	if (rec->pin)
		close(rec->pin - 1);
}

/* Free what nobody holds any more, upward. Drops the mutex for the callback. */
static void reap(struct itable *t, struct inode *i)
{
	while (i) {
		struct itable_rec *rec = rec_of(t, i);
		uint32_t parent = rec->parent;
		int32_t backing = rec->backing;

		if (i->refs > 0 || rec->nlookup > 0 || !rec->nodeid)
			return;
		hash_del(t, i);
		rec->nodeid = 0; /* invisible from here on */
		pthread_mutex_unlock(&t->mutex);
		if (t->gone)
			t->gone(t->gone_ctx, i, backing);
		pthread_mutex_lock(&t->mutex);
		close_pins(t, rec);
		arena_release(t->arena, atomic_load(&rec->blob) >> 16);
		memset(rec, 0, sizeof(*rec));
		rec_release(t, (uint32_t)(i - t->inodes));
		t->n_inodes--;
		hash_fit(t);
		i = NULL;
		if (parent) {
			i = &t->inodes[parent];
			i->refs--;
		}
	}
}

struct itable *itable_new(void)
{
	struct itable *t = calloc(1, sizeof(*t));
	size_t pages = MAX_INODES / PER_PAGE;

	if (!t)
		return NULL;
	pthread_mutex_init(&t->mutex, NULL);
	t->recs_mem.fd = t->priv_mem.fd = t->blob_mem.fd = -1;
	t->n_buckets = HASH_MIN;
	if (shm_new(&t->recs_mem, "vefs-inodes", pages * SHM_PAGE) < 0 ||
	    shm_new(&t->priv_mem, "vefs-private", pages * SHM_PAGE) < 0 ||
	    shm_new(&t->blob_mem, "vefs-arena", ARENA_BYTES) < 0)
		goto fail;
	t->head = t->recs_mem.base;
	t->recs = t->recs_mem.base;
	t->inodes = t->priv_mem.base;
	t->arena = arena_new(&t->blob_mem);
	t->used_map = calloc(pages, sizeof(*t->used_map));
	t->buckets = calloc(t->n_buckets, sizeof(*t->buckets));
	if (!t->arena || !t->used_map || !t->buckets)
		goto fail;
	t->used_map[0] = 1; /* the header's */
	t->head->layout = ITABLE_LAYOUT;
	t->head->generation = 1;
	return t;
fail:
	itable_free(t);
	return NULL;
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
	free(t->used_map);
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
	uint8_t bytes[BLOB_BOUND(1)];
	_cleanup_free_ uint8_t *big = NULL;
	struct itable_rec *rec;
	uint8_t *blob = bytes;
	struct inode *i;
	size_t len;

	if (s->n_lower > 1) {
		blob = big = malloc(BLOB_BOUND(s->n_lower));
		if (!big)
			return -ENOMEM;
	}
	i = rec_alloc(t);
	if (!i)
		return -ENOMEM;
	rec = rec_of(t, i);
	memset(rec, 0, sizeof(*rec));
	len = blob_pack(blob, &s->upper, s->lower, s->n_lower, s->name);
	if (blob_replace_locked(t, rec, blob, len) < 0) {
		rec_release(t, (uint32_t)(i - t->inodes));
		return -ENOMEM;
	}
	rec->ino = s->ino;
	rec->parent = s->parent;
	rec->flags = s->flags;
	rec->type = s->type;
	rec->link_delta = s->link_delta;
	rec->nodeid = (uint64_t)t->head->generation++ << 32 |
		      (uint32_t)(i - t->inodes);
	if (s->parent)
		t->inodes[s->parent].refs++;
	t->n_inodes++;
	hash_add(t, i);
	hash_fit(t);
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
		rec_of(t, i)->nodeid = ITABLE_ROOT;
		rec_of(t, i)->nlookup = 1;
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
	reap(t, i);
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

int itable_intern(struct itable *t, const struct itable_seed *seed,
		  struct inode **out)
{
	const struct ref *key = ref_is(&seed->upper) ? &seed->upper
						     : &seed->lower[0];
	struct inode *i;
	bool known;
	int r = 0;

	pthread_mutex_lock(&t->mutex);
	i = hash_find(t, key);
	known = i != NULL;
	if (!known)
		r = make_locked(t, seed, &i);
	if (r == 0)
		i->refs++;
	pthread_mutex_unlock(&t->mutex);
	if (known || r < 0)
		seed_close(seed);
	if (known && itable_index(t, i) != ITABLE_ROOT) {
		lock_acquire(&i->lock);
		/* A failure leaves the former name, which is as good. */
		(void)itable_set_name_locked(t, i, seed->parent, seed->name);
		lock_release(&i->lock);
	}
	if (r == 0)
		*out = i;
	return r;
}

uint64_t itable_lookup_add(struct itable *t, struct inode *i)
{
	uint64_t id;

	pthread_mutex_lock(&t->mutex);
	rec_of(t, i)->nlookup++;
	t->n_lookups++;
	id = rec_of(t, i)->nodeid;
	pthread_mutex_unlock(&t->mutex);
	return id;
}

void itable_forget(struct itable *t, uint64_t nodeid, uint64_t n)
{
	uint32_t x = (uint32_t)nodeid;

	pthread_mutex_lock(&t->mutex);
	if (nodeid != ITABLE_ROOT && x < t->head->high &&
	    t->recs[x].nodeid == nodeid) {
		struct itable_rec *rec = &t->recs[x];

		if (n > rec->nlookup)
			n = rec->nlookup;
		rec->nlookup -= n;
		t->n_lookups -= n;
		reap(t, &t->inodes[x]);
	}
	pthread_mutex_unlock(&t->mutex);
}

uint32_t itable_index(const struct itable *t, const struct inode *i)
{
	return (uint32_t)(i - t->inodes);
}

uint64_t itable_nodeid(const struct itable *t, const struct inode *i)
{
	return rec_of(t, i)->nodeid;
}

uint32_t itable_flags(const struct itable *t, const struct inode *i)
{
	return __atomic_load_n(&rec_of(t, i)->flags, __ATOMIC_RELAXED);
}

void itable_view_locked(struct itable *t, struct inode *i,
			struct itable_view *v)
{
	struct itable_rec *rec = rec_of(t, i);

	v->nodeid = rec->nodeid;
	v->ino = rec->ino;
	v->parent = rec->parent;
	v->flags = rec->flags;
	v->type = rec->type;
	v->link_delta = rec->link_delta;
	v->pin = rec->pin - 1;
	v->blob_len = blob_len(rec);
	memcpy(v->blob, blob_of(t, rec), v->blob_len);
	v->n_lower = v->blob[0];
	v->upper = REF_NONE;
	if (v->flags & INODE_UPPER)
		ref_unpack(v->blob + 2, &v->upper);
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
		p += ref_unpack(p, out);
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

/* Changes. */

/* Rebuild the blob with another upper, name or number of lowers. */
static int reblob(struct itable *t, struct inode *i, const struct ref *upper,
		  const char *name, bool keep_lowers)
{
	struct itable_rec *rec = rec_of(t, i);
	_cleanup_free_ uint8_t *fresh = malloc(ITABLE_BLOB_MAX);
	const uint8_t *old = blob_of(t, rec), *p = old + 2, *lowers;
	size_t name_len, len, lowers_len;
	struct ref was;
	bool rehash;
	int r;

	if (!fresh)
		return -ENOMEM;
	was = REF_NONE;
	if (rec->flags & INODE_UPPER)
		p += ref_unpack(p, &was);
	lowers = p;
	lowers_len = (size_t)(old + blob_len(rec) - old[1] - p);
	if (!keep_lowers)
		lowers_len = 0;
	name_len = name ? strlen(name) : old[1];
	if (!name)
		name = (const char *)old + blob_len(rec) - old[1];
	fresh[0] = keep_lowers ? old[0] : 0;
	fresh[1] = (uint8_t)name_len;
	len = 2;
	if (!upper && ref_is(&was))
		upper = &was;
	if (upper)
		len += ref_pack(fresh + len, upper);
	if (len + lowers_len + name_len > ITABLE_BLOB_MAX)
		return -ENOMEM;
	memcpy(fresh + len, lowers, lowers_len);
	len += lowers_len;
	memcpy(fresh + len, name, name_len);
	len += name_len;

	pthread_mutex_lock(&t->mutex);
	rehash = i->hashed;
	hash_del(t, i);
	r = blob_replace_locked(t, rec, fresh, len);
	if (r == 0 && upper)
		rec->flags |= INODE_UPPER;
	if (rehash)
		hash_add(t, i);
	pthread_mutex_unlock(&t->mutex);
	return r;
}

int itable_set_upper_locked(struct itable *t, struct inode *i,
			    const struct ref *upper)
{
	return reblob(t, i, upper, NULL, true);
}

int itable_set_name_locked(struct itable *t, struct inode *i, uint32_t parent,
			   const char *name)
{
	struct itable_rec *rec = rec_of(t, i);
	const uint8_t *blob = blob_of(t, rec);
	uint32_t old = rec->parent;

	if (strlen(name) != blob[1] ||
	    memcmp(blob + blob_len(rec) - blob[1], name, blob[1]) != 0) {
		int r = reblob(t, i, NULL, name, true);

		if (r < 0)
			return r;
	}
	if (old == parent)
		return 0;
	pthread_mutex_lock(&t->mutex);
	rec->parent = parent;
	if (parent)
		t->inodes[parent].refs++;
	if (old) {
		t->inodes[old].refs--;
		reap(t, &t->inodes[old]);
	}
	pthread_mutex_unlock(&t->mutex);
	return 0;
}

void itable_drop_lowers_locked(struct itable *t, struct inode *i)
{
	struct itable_rec *rec = rec_of(t, i);
	const uint8_t *p = blob_of(t, rec);
	_cleanup_free_ struct ref *refs = NULL;
	unsigned n = p[0];

	if (!n || !(rec->flags & INODE_UPPER))
		return;
	refs = calloc(n, sizeof(*refs));
	if (!refs)
		return; /* they stay, unused: the flags say what counts */
	p += 2;
	p += ref_unpack(p, &refs[0]);
	for (unsigned k = 0; k < n; k++)
		p += ref_unpack(p, &refs[k]);
	if (reblob(t, i, NULL, NULL, false) < 0)
		return;
	for (unsigned k = 0; k < n; k++)
		dirlayer_ref_close(&refs[k]);
}

void itable_set_flags_locked(struct itable *t, struct inode *i, uint32_t set,
			     uint32_t clear)
{
	struct itable_rec *rec = rec_of(t, i);

	pthread_mutex_lock(&t->mutex);
	__atomic_store_n(&rec->flags, (rec->flags & ~clear) | set,
			 __ATOMIC_RELAXED);
	pthread_mutex_unlock(&t->mutex);
}

void itable_set_link_delta_locked(struct itable *t, struct inode *i,
				  int32_t delta)
{
	rec_of(t, i)->link_delta = delta;
}

void itable_set_pin_locked(struct itable *t, struct inode *i, int fd)
{
	struct itable_rec *rec = rec_of(t, i);

	if (rec->pin)
		close(rec->pin - 1);
	rec->pin = fd + 1;
}

int32_t itable_backing_locked(const struct itable *t, const struct inode *i)
{
	return rec_of(t, i)->backing;
}

void itable_set_backing_locked(struct itable *t, struct inode *i, int32_t id)
{
	rec_of(t, i)->backing = id;
}

void itable_split_locked(struct itable *t, struct inode *i)
{
	pthread_mutex_lock(&t->mutex);
	hash_del(t, i);
	rec_of(t, i)->flags |= INODE_SPLIT;
	pthread_mutex_unlock(&t->mutex);
}

void itable_on_gone(struct itable *t, itable_gone_fn fn, void *ctx)
{
	t->gone = fn;
	t->gone_ctx = ctx;
}

void itable_stats(struct itable *t, struct itable_stats *out)
{
	pthread_mutex_lock(&t->mutex);
	out->inodes = t->n_inodes;
	out->lookups = t->n_lookups;
	out->arena_bytes = arena_used(t->arena);
	pthread_mutex_unlock(&t->mutex);
}
