/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/ledgernext.h"

#include <string.h>

#include "quota/ledgerpriv.h"
#include "quota/order.h"

/*
 * Records stand in the order in which they came, so that who charges has
 * nothing to keep sorted. Who asks for the next one has them sorted, all but
 * the last: those are looked at one by one, until there are too many of them.
 *
 * `order_lock` is held all the time, the ledger's own for some records at a
 * time, and not while sorting: a record's key never changes.
 */
#define RECS_AT_ONCE 1024u /* that the ledger's lock is held for */
#define UNSORTED_MAX 1024u

struct search {
	enum ledger_kind kind;
	uint64_t first; /* key; none below */
	uint64_t best;	/* key found so far; UINT64_MAX: none */
	struct limit_rec *out;
};

static uint64_t count(struct ledger *l)
{
	uint64_t n;

	lock_acquire(&l->lock);
	n = l->head->n_recs;
	lock_release(&l->lock);
	return n;
}

static bool is_zero(const struct limit_rec *r)
{
	static const struct limit_rec zero;

	return memcmp(r, &zero, sizeof(zero)) == 0;
}

/* Of the sorted ones the first of its kind that is not all zeros. */
static void look_at_sorted(struct ledger *l, struct search *s)
{
	const struct order *o = &l->order;
	size_t i = order_from(o, l->recs, s->first);
	bool over = false;

	while (i < o->n && !over) {
		lock_acquire(&l->lock);
		for (size_t end = i + RECS_AT_ONCE; i < o->n && i < end; i++) {
			const struct ledgerpriv_rec *rec = &l->recs[o->recs[i]];

			over = rec->key >> 32 != s->kind || !is_zero(&rec->r);
			if (!over)
				continue;
			s->best = rec->key;
			*s->out = rec->r;
			break;
		}
		lock_release(&l->lock);
	}
}

/* Of the others any that comes before that. */
static void look_at_others(struct ledger *l, struct search *s, uint64_t n)
{
	uint64_t i = l->order.n;

	while (i < n && s->best != s->first) {
		lock_acquire(&l->lock);
		for (uint64_t end = i + RECS_AT_ONCE; i < n && i < end; i++) {
			const struct ledgerpriv_rec *rec = &l->recs[i];

			if (rec->key < s->first || rec->key >= s->best ||
			    is_zero(&rec->r))
				continue;
			s->best = rec->key;
			*s->out = rec->r;
		}
		lock_release(&l->lock);
	}
}

bool ledgernext(struct ledger *l, enum ledger_kind kind, uint32_t from,
		uint32_t *id, struct limit_rec *out)
{
	struct limit_rec found;
	struct search s = { .kind = kind,
			    .first = ledgerpriv_key(kind, from),
			    .best = UINT64_MAX,
			    .out = &found };
	uint64_t n;

	lock_acquire(&l->order_lock);
	n = count(l);
	/* Without memory it takes longer. */
	if (n - l->order.n > UNSORTED_MAX)
		(void)order_extend(&l->order, l->recs, n);
	look_at_sorted(l, &s);
	look_at_others(l, &s, n);
	lock_release(&l->order_lock);
	if (s.best >> 32 != kind)
		return false;
	*id = (uint32_t)s.best;
	*out = found;
	return true;
}
