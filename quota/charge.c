/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/charge.h"

#include <errno.h>

#include "fs/base/cleanup.h"
#include "quota/ledgerpriv.h"
#include "quota/recount.h"

/* Growing. */

static uint32_t id_of(struct charge_owner o, enum ledger_kind kind)
{
	return kind == LEDGER_USER ? o.uid : kind == LEDGER_GROUP ? o.gid : 0;
}

/* What one record is asked for: all wants of the same id. */
static void sum_for(const struct charge_want *want, unsigned n,
		    enum ledger_kind kind, uint32_t id,
		    uint64_t more[LIMIT_RESOURCES])
{
	more[LIMIT_SPACE] = more[LIMIT_INODES] = 0;
	for (unsigned i = 0; i < n; i++) {
		if (id_of(want[i].owner, kind) != id)
			continue;
		more[LIMIT_SPACE] += want[i].space;
		more[LIMIT_INODES] += want[i].inodes;
	}
}

/* May the record have that much, besides what others hold? */
static int ask(struct ledger *l, enum ledger_kind kind, uint32_t id,
	       const uint64_t more[LIMIT_RESOURCES], bool tell)
{
	struct ledgerpriv_rec *rec = ledgerpriv_find(l, kind, id);
	enum limit_verdict v = LIMIT_FITS;
	int i;

	for (i = 0; rec && i < LIMIT_RESOURCES; i++) {
		if (more[i] == 0 || !limit_is_set(&rec->r.of[i]))
			continue;
		v = limit_ask(&rec->r.of[i], more[i] + l->held[i], l->now());
		if (v != LIMIT_FITS)
			break;
	}
	if (v == LIMIT_FITS)
		return 0;
	if (tell)
		ledgerpriv_tell(l, rec, (enum limit_resource)i,
				v == LIMIT_OVER_HARD ? LEDGER_HARD
						     : LEDGER_EXPIRED);
	return kind == LEDGER_CONTAINER ? -ENOSPC : -EDQUOT;
}

int charge_reserve(struct ledger *l, const struct charge_want *want, unsigned n,
		   struct charge_hold *hold)
{
	uint64_t more[LIMIT_RESOURCES];
	bool alone;
	int r = 0;

	ledgerpriv_begin(l);
	alone = !l->held[LIMIT_SPACE] && !l->held[LIMIT_INODES];
	for (int k = 0; k < LEDGER_KINDS && r == 0; k++) {
		enum ledger_kind kind = (enum ledger_kind)k;

		if (!ledgerpriv_enforced(l, kind))
			continue;
		for (unsigned i = 0; i < n && r == 0; i++) {
			uint32_t id = id_of(want[i].owner, kind);

			sum_for(want, n, kind, id, more);
			r = ask(l, kind, id, more, alone);
		}
	}
	if (r == 0) {
		*hold = (struct charge_hold){ { 0 } };
		for (unsigned i = 0; i < n; i++) {
			hold->of[LIMIT_SPACE] += want[i].space;
			hold->of[LIMIT_INODES] += want[i].inodes;
		}
		for (int i = 0; i < LIMIT_RESOURCES; i++)
			l->held[i] += hold->of[i];
	}
	ledgerpriv_end(l);
	return r;
}

void charge_release(struct ledger *l, struct charge_hold *hold)
{
	lock_acquire(&l->lock);
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		l->held[i] -= hold->of[i];
	lock_release(&l->lock);
	*hold = (struct charge_hold){ { 0 } };
}

uint64_t charge_room(struct ledger *l, struct charge_owner owner, int *err)
{
	uint64_t room = UINT64_MAX;

	*err = 0;
	lock_acquire(&l->lock);
	for (int k = 0; k < LEDGER_KINDS; k++) {
		enum ledger_kind kind = (enum ledger_kind)k;
		const struct ledgerpriv_rec *rec;
		uint64_t has;

		if (!ledgerpriv_enforced(l, kind))
			continue;
		rec = ledgerpriv_find(l, kind, id_of(owner, kind));
		if (!rec)
			continue;
		has = limit_room(&rec->r.of[LIMIT_SPACE], l->now());
		if (has < room) {
			room = has;
			*err = kind == LEDGER_CONTAINER ? -ENOSPC : -EDQUOT;
		}
	}
	lock_release(&l->lock);
	return room;
}

static bool is_limited(struct ledger *l, struct charge_owner owner,
		       enum ledger_kind from)
{
	bool limited = false;

	lock_acquire(&l->lock);
	for (int k = (int)from; k < LEDGER_KINDS && !limited; k++) {
		enum ledger_kind kind = (enum ledger_kind)k;
		const struct ledgerpriv_rec *rec = NULL;

		if (ledgerpriv_enforced(l, kind))
			rec = ledgerpriv_find(l, kind, id_of(owner, kind));
		limited = rec && limit_is_set(&rec->r.of[LIMIT_SPACE]);
	}
	lock_release(&l->lock);
	return limited;
}

bool charge_is_limited(struct ledger *l, struct charge_owner owner)
{
	return is_limited(l, owner, LEDGER_CONTAINER);
}

bool charge_is_limited_inside(struct ledger *l, struct charge_owner owner)
{
	return is_limited(l, owner, LEDGER_USER);
}

int charge_may_move(struct ledger *l, struct charge_owner from,
		    struct charge_owner to, uint64_t space)
{
	const uint64_t more[LIMIT_RESOURCES] = { space, 1 };
	int r = 0;

	ledgerpriv_begin(l);
	for (int k = LEDGER_USER; k < LEDGER_KINDS && r == 0; k++) {
		enum ledger_kind kind = (enum ledger_kind)k;
		uint32_t id = id_of(to, kind);

		if (id != id_of(from, kind) && ledgerpriv_enforced(l, kind))
			r = ask(l, kind, id, more, true);
	}
	ledgerpriv_end(l);
	return r;
}

/* Rows. */

static uint64_t pack(struct charge_owner o)
{
	return (uint64_t)o.uid << 32 | o.gid;
}

static struct charge_owner unpack(uint64_t w)
{
	return (struct charge_owner){ (uint32_t)(w >> 32), (uint32_t)w };
}

static bool is_known(const struct ledger *l, uint32_t row)
{
	return row < CHARGE_ROWS && (l->rows[row].space & LEDGERPRIV_KNOWN);
}

/* In a change. */
static void put_row(struct ledger *l, uint32_t row, const struct charge *c,
		    uint64_t flags)
{
	struct ledgerpriv_row *p = &l->rows[row];

	if (!(p->space & LEDGERPRIV_KNOWN))
		l->row_counts[row / LEDGERPRIV_ROWS_A_PAGE]++;
	ledgerpriv_put(l, &p->space, c->space | flags);
	ledgerpriv_put(l, &p->owner, pack(c->owner));
}

/* Before a change: the records that it will need. */
static int have_records(struct ledger *l, struct charge_owner o)
{
	return ledgerpriv_want(l, LEDGER_USER, o.uid) &&
			       ledgerpriv_want(l, LEDGER_GROUP, o.gid)
		       ? 0
		       : -ENOMEM;
}

/* In a change: usage of one record, if there is one. */
static void add(struct ledger *l, enum ledger_kind kind, struct charge_owner o,
		int64_t space, int64_t inodes)
{
	struct ledgerpriv_rec *rec = ledgerpriv_find(l, kind, id_of(o, kind));

	recount_change_locked(l->recount, kind, id_of(o, kind), space, inodes);
	if (!rec)
		return;
	ledgerpriv_add(l, rec, LIMIT_SPACE, space);
	ledgerpriv_add(l, rec, LIMIT_INODES, inodes);
}

/* In a change: of all kinds. */
static void add_all(struct ledger *l, struct charge_owner o, int64_t space,
		    int64_t inodes)
{
	for (int k = 0; k < LEDGER_KINDS; k++)
		add(l, (enum ledger_kind)k, o, space, inodes);
}

/*
 * In a change: an inode that took `old` takes c->space now. A record that has
 * it before and after sees the difference alone: its grace goes on.
 */
static void move(struct ledger *l, struct charge_owner was, uint64_t old,
		 const struct charge *c)
{
	for (int k = 0; k < LEDGER_KINDS; k++) {
		enum ledger_kind kind = (enum ledger_kind)k;

		if (id_of(was, kind) == id_of(c->owner, kind)) {
			add(l, kind, was, (int64_t)(c->space - old), 0);
			continue;
		}
		add(l, kind, was, -(int64_t)old, -1);
		add(l, kind, c->owner, (int64_t)c->space, 1);
	}
}

bool charge_row(struct ledger *l, uint32_t row, struct charge *out)
{
	bool known;

	lock_acquire(&l->lock);
	known = is_known(l, row);
	if (known)
		*out = (struct charge){
			.owner = unpack(l->rows[row].owner),
			.space = l->rows[row].space & ~LEDGERPRIV_FLAGS,
		};
	lock_release(&l->lock);
	return known;
}

void charge_know(struct ledger *l, uint32_t row, const struct charge *c)
{
	ledgerpriv_begin(l);
	if (row < CHARGE_ROWS && !is_known(l, row)) {
		recount_known_locked(l->recount, c);
		put_row(l, row, c, LEDGERPRIV_KNOWN);
	}
	ledgerpriv_end(l);
}

static int settle_locked(struct ledger *l, uint32_t row, const struct charge *c)
{
	struct ledgerpriv_row *p = &l->rows[row];
	uint64_t flags = p->space & LEDGERPRIV_FLAGS;
	uint64_t old = p->space & ~LEDGERPRIV_FLAGS;
	struct charge_owner was = unpack(p->owner);

	if (p->owner != pack(c->owner) && have_records(l, c->owner) < 0)
		return -ENOMEM;
	move(l, was, old, c);
	put_row(l, row, c, flags);
	return 0;
}

int charge_settle(struct ledger *l, uint32_t row, const struct charge *c)
{
	int r = 0;

	ledgerpriv_begin(l);
	if (is_known(l, row))
		r = settle_locked(l, row, c);
	ledgerpriv_end(l);
	return r;
}

int charge_born(struct ledger *l, uint32_t row, const struct charge *c,
		uint32_t mark, uint64_t unique)
{
	uint64_t *done = mark < CHARGE_MARKS ? &l->head->marks[mark] : NULL;
	int r = 0;

	if (row >= CHARGE_ROWS)
		return -EINVAL;
	ledgerpriv_begin(l);
	if (is_known(l, row)) {
		r = settle_locked(l, row, c);
	} else if (done && *done == unique) {
		put_row(l, row, c, LEDGERPRIV_KNOWN);
	} else {
		r = have_records(l, c->owner);
		if (r == 0) {
			add_all(l, c->owner, (int64_t)c->space, 1);
			recount_born_locked(l->recount, c->ino);
			put_row(l, row, c,
				LEDGERPRIV_KNOWN | (mark == CHARGE_DOOMED
							    ? LEDGERPRIV_DOOMED
							    : 0));
			if (done)
				ledgerpriv_put(l, done, unique);
		}
	}
	ledgerpriv_end(l);
	return r;
}

void charge_doom(struct ledger *l, uint32_t row, bool doomed)
{
	uint64_t w;

	ledgerpriv_begin(l);
	if (is_known(l, row)) {
		w = l->rows[row].space;
		ledgerpriv_put(l, &l->rows[row].space,
			       doomed ? w | LEDGERPRIV_DOOMED
				      : w & ~LEDGERPRIV_DOOMED);
	}
	ledgerpriv_end(l);
}

/* One empty page stays: a row that comes and goes shall cost nothing. */
static void give_back(struct ledger *l, uint32_t page)
{
	uint32_t old = l->kept;

	if (--l->row_counts[page] > 0)
		return;
	l->kept = page;
	if (old != UINT32_MAX && old != page && l->row_counts[old] == 0)
		shm_giveback(&l->mem,
			     LEDGERPRIV_AT_ROWS + (size_t)old * SHM_PAGE,
			     SHM_PAGE);
}

void charge_forget(struct ledger *l, uint32_t row)
{
	struct ledgerpriv_row *p = &l->rows[row];

	if (row >= CHARGE_ROWS)
		return;
	/* Most inodes never have one. */
	lock_acquire(&l->lock);
	if (!is_known(l, row)) {
		lock_release(&l->lock);
		return;
	}
	lock_release(&l->lock);
	ledgerpriv_begin(l);
	if (p->space & LEDGERPRIV_DOOMED)
		add_all(l, unpack(p->owner),
			-(int64_t)(p->space & ~LEDGERPRIV_FLAGS), -1);
	ledgerpriv_put(l, &p->space, 0);
	ledgerpriv_put(l, &p->owner, 0);
	ledgerpriv_end(l);
	lock_acquire(&l->lock);
	give_back(l, row / LEDGERPRIV_ROWS_A_PAGE);
	lock_release(&l->lock);
}

static uint32_t next_row(const struct ledger *l, uint64_t row)
{
	size_t at = LEDGERPRIV_AT_ROWS + row * sizeof(struct ledgerpriv_row);

	if (row % LEDGERPRIV_ROWS_A_PAGE == 0 && at < l->mem.size)
		at = shm_next_data(&l->mem, at);
	if (at < LEDGERPRIV_AT_ROWS)
		at = LEDGERPRIV_AT_ROWS;
	return (uint32_t)((at - LEDGERPRIV_AT_ROWS) /
			  sizeof(struct ledgerpriv_row));
}

void charge_each_row(struct ledger *l, void (*fn)(void *ctx, uint32_t row),
		     void *ctx)
{
	for (uint32_t row = next_row(l, 0); row < CHARGE_ROWS;
	     row = next_row(l, (uint64_t)row + 1)) {
		bool known;

		lock_acquire(&l->lock);
		known = is_known(l, row);
		lock_release(&l->lock);
		if (known)
			fn(ctx, row);
	}
}

uint32_t charge_next_locked(struct ledger *l, uint32_t row, struct charge *c)
{
	for (row = next_row(l, row); row < CHARGE_ROWS;
	     row = next_row(l, (uint64_t)row + 1)) {
		if (!is_known(l, row))
			continue;
		*c = (struct charge){
			.owner = unpack(l->rows[row].owner),
			.space = l->rows[row].space & ~LEDGERPRIV_FLAGS,
		};
		return row;
	}
	return CHARGE_ROWS;
}

struct doomed {
	struct ledger *l;
	void (*fn)(void *ctx, const struct charge *c);
	void *ctx;
};

static void one_doomed(void *ctx, uint32_t row)
{
	const struct doomed *d = ctx;
	struct charge c;
	bool doomed;

	lock_acquire(&d->l->lock);
	doomed = d->l->rows[row].space & LEDGERPRIV_DOOMED;
	lock_release(&d->l->lock);
	if (doomed && charge_row(d->l, row, &c))
		d->fn(d->ctx, &c);
}

void charge_each_doomed(struct ledger *l,
			void (*fn)(void *ctx, const struct charge *c),
			void *ctx)
{
	struct doomed d = { l, fn, ctx };

	charge_each_row(l, one_doomed, &d);
}

bool charge_is_recounted(struct ledger *l)
{
	bool is;

	lock_acquire(&l->lock);
	is = l->recount;
	lock_release(&l->lock);
	return is;
}

static void count_row(void *ctx, uint32_t row)
{
	struct ledger *l = ctx;

	l->row_counts[row / LEDGERPRIV_ROWS_A_PAGE]++;
}

void charge_count_rows(struct ledger *l)
{
	for (uint32_t i = 0; i < LEDGERPRIV_ROW_PAGES; i++) {
		/* What is zero stays untouched memory. */
		if (l->row_counts[i])
			l->row_counts[i] = 0;
	}
	l->kept = UINT32_MAX;
	charge_each_row(l, count_row, l);
}
