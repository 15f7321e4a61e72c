/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/itablerecover.h"

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/itablepriv.h"
#include "fs/itableset.h"
#include "fs/refpack.h"

#define EACH_RECORD(t, x)                                                      \
	for (uint32_t x = itablepriv_next(t, 1); (x) < (t)->head->high;        \
	     (x) = itablepriv_next(t, (x) + 1))

/* A record whose inode was on its way out, or not yet whole. */
static void clear(struct itable *t, struct itable_rec *rec)
{
	if (rec->backing > 0 && t->gone)
		t->gone(t->gone_ctx, NULL, rec->backing);
	memset(rec, 0, sizeof(*rec));
}

/* The blob and the flag that says how to read it are two stores. */
static void agree_on_upper(const struct itable *t, struct itable_rec *rec)
{
	struct ref first;

	refpack_get(itablepriv_blob(t, rec) + 2, &first);
	if (first.layer == REF_UPPER)
		rec->flags |= INODE_UPPER;
	else
		rec->flags &= ~(uint32_t)INODE_UPPER;
}

static int revive(struct itable *t, uint32_t x)
{
	struct itable_rec *rec = &t->recs[x];
	struct inode *i = &t->inodes[x];
	int r;

	if (rec->parent >= t->head->high)
		return -EUCLEAN;
	r = arena_mark(t->arena, atomic_load(&rec->blob) >> 16);
	if (r < 0)
		return r;
	agree_on_upper(t, rec);
	if (rec->backing < 0) {
		if (t->gone)
			t->gone(t->gone_ctx, NULL, -rec->backing);
		rec->backing = 0;
	}
	slots_mark(t->slots, x);
	t->n_inodes++;
	t->n_lookups += rec->nlookup;
	if (rec->parent)
		t->inodes[rec->parent].refs++;
	if (!(rec->flags & INODE_SPLIT))
		itablepriv_hash_add(t, i);
	i->suspect = rec->nodeid != ITABLE_ROOT;
	/* The answer that names it may not have been looked at yet. */
	i->told = (uint32_t)(clock_coarse() / CLOCK_S);
	i->stale_pages = 1; /* for all that is known */
	return 0;
}

int itablerecover(struct itable *t)
{
	uint32_t last = 0;
	int r = itablepriv_reset(t);

	if (r == 0)
		itablepriv_hash_size(t, t->head->high);
	EACH_RECORD(t, x)
	{
		if (r < 0)
			return r;
		if (t->recs[x].nodeid) {
			r = revive(t, x);
			last = x;
		} else {
			clear(t, &t->recs[x]);
		}
	}
	t->head->high = last + 1;
	itablepriv_hash_fit(t);
	t->suspects = t->n_inodes > 1;
	return r;
}

void itablerecover_drop(struct itable *t)
{
	pthread_mutex_lock(&t->mutex);
	EACH_RECORD(t, x)
	{
		if (t->recs[x].nodeid)
			itablepriv_reap(t, &t->inodes[x]);
	}
	pthread_mutex_unlock(&t->mutex);
}

void itablerecover_each(struct itable *t,
			void (*fn)(void *ctx, struct inode *i), void *ctx)
{
	EACH_RECORD(t, x)
	{
		struct inode *i = itable_get_index(t, x);

		if (i)
			fn(ctx, i);
		itable_unpin(t, i);
	}
}

void itablerecover_fds(struct itable *t, void (*fn)(void *ctx, int fd),
		       void *ctx)
{
	EACH_RECORD(t, x)
	{
		const struct itable_rec *rec = &t->recs[x];
		const uint8_t *p;
		unsigned n;

		if (!rec->nodeid)
			continue;
		if (rec->pin)
			fn(ctx, rec->pin - 1);
		if (!t->head->pinned)
			continue;
		p = itablepriv_blob(t, rec);
		n = p[0] + (rec->flags & INODE_UPPER ? 1u : 0u);
		p += 2;
		while (n-- > 0) {
			struct ref r;

			p += refpack_get(p, &r);
			if (r.type == REF_PINNED)
				fn(ctx, r.fd);
		}
	}
}

int32_t itablerecover_backing(struct itable *t)
{
	return atomic_exchange(&t->head->registering, 0) ? t->head->last_backing
							 : -1;
}

unsigned itablerecover_suspects(struct itable *t, uint32_t *cursor,
				uint32_t age, bool *more,
				struct itablerecover_suspect *out, unsigned n)
{
	uint32_t now = (uint32_t)(clock_coarse() / CLOCK_S);
	unsigned k = 0;

	pthread_mutex_lock(&t->mutex);
	if (*cursor == 0)
		t->suspects = false;
	for (; *cursor < t->head->high && k < n; ++*cursor) {
		struct inode *i = &t->inodes[*cursor];

		if (!i->suspect)
			continue;
		if (now - i->told < age) {
			t->suspects = *more = true;
			continue;
		}
		i->suspect = 0;
		out[k].told = i->told;
		out[k++].nodeid = t->recs[*cursor].nodeid;
	}
	pthread_mutex_unlock(&t->mutex);
	return k;
}

void itablerecover_on_suspects(struct itable *t, void (*fn)(void))
{
	t->on_suspect = fn;
}

bool itablerecover_has_suspects(struct itable *t)
{
	bool any;

	pthread_mutex_lock(&t->mutex);
	any = t->suspects;
	pthread_mutex_unlock(&t->mutex);
	return any;
}

bool itablerecover_disown(struct itable *t,
			  const struct itablerecover_suspect *s)
{
	uint32_t x = (uint32_t)s->nodeid;
	bool gone = false;

	pthread_mutex_lock(&t->mutex);
	if (s->nodeid && t->recs[x].nodeid == s->nodeid &&
	    t->inodes[x].told == s->told) {
		t->n_lookups -= t->recs[x].nlookup;
		t->recs[x].nlookup = 0;
		itablepriv_reap(t, &t->inodes[x]);
		gone = true;
	}
	pthread_mutex_unlock(&t->mutex);
	return gone;
}
