/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/recount.h"

#include <errno.h>
#include <stdlib.h>

#include "quota/ledgerpriv.h"
#include "quota/tally.h"

/*
 * `seen` has a bit for each inode that has entered, by number: 64 of them in a
 * row. It stays when the inode goes; who gets its number is born (charge.h)
 * and needs none.
 *
 * Sums are taken modulo 2^64: what leaves may be subtracted before what it was
 * part of is added.
 *
 * All below the ledger's lock.
 */
struct recount {
	struct ledger *ledger;
	struct tally tally;
	struct u64map seen;
	int err;
};

struct recount *recount_new(struct ledger *l)
{
	struct recount *rc = calloc(1, sizeof(*rc));

	if (rc)
		rc->ledger = l;
	return rc;
}

void recount_free(struct recount *rc)
{
	if (!rc)
		return;
	lock_acquire(&rc->ledger->lock);
	if (rc->ledger->recount == rc)
		rc->ledger->recount = NULL;
	lock_release(&rc->ledger->lock);
	tally_free(&rc->tally);
	u64map_free(&rc->seen);
	free(rc);
}

/* Is it the first time? */
static bool mark(struct recount *rc, uint64_t ino)
{
	uint64_t bit = 1ull << ino % 64, *at = u64map_at(&rc->seen, ino / 64);
	bool first = at && !(*at & bit);

	if (!at)
		rc->err = -ENOMEM;
	else
		*at |= bit;
	return first;
}

static void enter(struct recount *rc, const struct charge *c)
{
	if (tally_add(&rc->tally, c->owner.uid, c->owner.gid, c->space) < 0 ||
	    !ledgerpriv_want(rc->ledger, LEDGER_USER, c->owner.uid) ||
	    !ledgerpriv_want(rc->ledger, LEDGER_GROUP, c->owner.gid))
		rc->err = -ENOMEM;
}

void recount_known_locked(struct recount *rc, const struct charge *c)
{
	if (rc && mark(rc, c->ino))
		enter(rc, c);
}

void recount_born_locked(struct recount *rc, uint64_t ino)
{
	if (rc)
		mark(rc, ino);
}

void recount_change_locked(struct recount *rc, enum ledger_kind kind,
			   uint32_t id, int64_t space, int64_t inodes)
{
	const uint64_t more[LIMIT_RESOURCES] = { (uint64_t)space,
						 (uint64_t)inodes };

	if (rc && tally_change(&rc->tally, kind, id, more) < 0)
		rc->err = -ENOMEM;
}

void recount_begin(struct recount *rc, const struct recount_row *rows, size_t n)
{
	struct ledger *l = rc->ledger;
	struct charge c;
	size_t i = 0;

	ledgerpriv_begin(l);
	for (uint32_t row = charge_next_locked(l, 0, &c); row < CHARGE_ROWS;
	     row = charge_next_locked(l, row + 1, &c)) {
		while (i < n && rows[i].row < row)
			i++;
		if (i < n && rows[i].row == row) {
			mark(rc, rows[i].ino);
			enter(rc, &c);
		} else if (l->rows[row].space & LEDGERPRIV_DOOMED) {
			enter(rc, &c);
		}
		ledgerpriv_commit(l);
	}
	l->recount = rc;
	ledgerpriv_end(l);
}

bool recount_has(struct recount *rc, uint64_t ino)
{
	const uint64_t *at;
	bool has;

	lock_acquire(&rc->ledger->lock);
	at = u64map_find(&rc->seen, ino / 64);
	has = at && *at >> ino % 64 & 1;
	lock_release(&rc->ledger->lock);
	return has;
}

void recount_see(struct recount *rc, const struct charge *c)
{
	ledgerpriv_begin(rc->ledger);
	recount_known_locked(rc, c);
	ledgerpriv_end(rc->ledger);
}

int64_t recount_end(struct recount *rc)
{
	struct ledger *l = rc->ledger;
	uint64_t usage[LIMIT_RESOURCES];
	int64_t n;

	ledgerpriv_begin(l);
	for (uint64_t i = 0; rc->err == 0 && i < l->head->n_recs; i++) {
		struct ledgerpriv_rec *rec = &l->recs[i];

		tally_get(&rc->tally, (enum ledger_kind)(rec->key >> 32),
			  (uint32_t)rec->key, usage);
		for (int k = 0; k < LIMIT_RESOURCES; k++)
			ledgerpriv_set(l, rec, (enum limit_resource)k,
				       usage[k]);
		ledgerpriv_commit(l);
	}
	n = rc->err < 0 ? rc->err : (int64_t)rc->tally.total[LIMIT_INODES];
	l->recount = NULL;
	ledgerpriv_end(l);
	return n;
}
