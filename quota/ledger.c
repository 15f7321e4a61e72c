/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/ledger.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "quota/charge.h"
#include "quota/ledgerpriv.h"
#include "quota/order.h"

/*
 * Everything that must outlive the process is 64-bit words of one shared
 * region, changed only inside a change (ledgerpriv_begin .. _end) by
 * ledgerpriv_put(), which first writes the old word into the journal: whoever
 * takes over puts them back, and the change has not happened. Between two
 * changes the journal is empty.
 *
 * Invariants, between changes: the container's usage is the sum over all
 * users, and the sum over all groups; a known row's charge is part of its
 * owner's. `held` is private: what a killed process had reserved is free.
 *
 * One lock, innermost, for all of it; events are told after it was released.
 * Who looks for the next record has another before it (ledgernext.c).
 */
const char *const ledger_kinds[LEDGER_KINDS] = { "container", "user", "group" };

static int64_t system_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return t.tv_sec;
}

/* Changes. */

void ledgerpriv_begin(struct ledger *l)
{
	lock_acquire(&l->lock);
	l->head->version++;
}

void ledgerpriv_end(struct ledger *l)
{
	struct ledger_event told[LEDGERPRIV_EVENTS];
	unsigned n = l->n_events;
	bool changed;

	memcpy(told, l->events, n * sizeof(*told));
	l->n_events = 0;
	ledgerpriv_commit(l);
	changed = l->armed;
	l->armed = false;
	lock_release(&l->lock);
	if (changed)
		l->on_change(l->change_ctx);
	for (unsigned i = 0; i < n && l->on_event; i++)
		l->on_event(l->event_ctx, &told[i]);
}

void ledgerpriv_commit(struct ledger *l)
{
	atomic_store_explicit(&l->head->journaled, 0, memory_order_release);
}

void ledgerpriv_put(struct ledger *l, uint64_t *word, uint64_t value)
{
	uint64_t n =
		atomic_load_explicit(&l->head->journaled, memory_order_relaxed);
	struct ledgerpriv_entry *e = &l->head->journal[n];

	if (*word == value)
		return;
	e->at = (uint64_t)((char *)word - (char *)l->mem.base);
	e->old = *word;
	atomic_store_explicit(&l->head->journaled, n + 1, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
	*word = value;
}

/* Put back what the last change had begun. */
static int roll_back(struct ledger *l)
{
	uint64_t n = atomic_load(&l->head->journaled);

	if (n > LEDGERPRIV_JOURNAL)
		return -EUCLEAN;
	while (n-- > 0) {
		const struct ledgerpriv_entry *e = &l->head->journal[n];

		if (e->at % 8 || e->at >= l->mem.size)
			return -EUCLEAN;
		*(uint64_t *)((char *)l->mem.base + e->at) = e->old;
	}
	atomic_store(&l->head->journaled, 0);
	return 0;
}

/* Records. */

struct ledgerpriv_rec *ledgerpriv_find(struct ledger *l, enum ledger_kind kind,
				       uint32_t id)
{
	uint64_t *at;

	if (kind == LEDGER_CONTAINER)
		return &l->recs[0];
	at = u64map_find(&l->index, ledgerpriv_key(kind, id));
	return at ? &l->recs[*at] : NULL;
}

/* Make it if there is none, a change of its own. NULL: no memory. */
struct ledgerpriv_rec *ledgerpriv_want(struct ledger *l, enum ledger_kind kind,
				       uint32_t id)
{
	struct ledgerpriv_rec *rec = ledgerpriv_find(l, kind, id);
	uint64_t n = l->head->n_recs, *at;

	if (rec)
		return rec;
	if (n >= LEDGERPRIV_RECS)
		return NULL;
	at = u64map_at(&l->index, ledgerpriv_key(kind, id));
	if (!at)
		return NULL;
	*at = n;
	rec = &l->recs[n];
	*rec = (struct ledgerpriv_rec){ .key = ledgerpriv_key(kind, id) };
	/* What lies above the number of records means nothing. */
	atomic_signal_fence(memory_order_seq_cst);
	l->head->n_recs = n + 1;
	return rec;
}

static void put_limit(struct ledger *l, struct limit *to,
		      const struct limit *now)
{
	ledgerpriv_put(l, &to->usage, now->usage);
	ledgerpriv_put(l, &to->soft, now->soft);
	ledgerpriv_put(l, &to->hard, now->hard);
	ledgerpriv_put(l, (uint64_t *)&to->deadline, (uint64_t)now->deadline);
}

static uint64_t told_bit(enum limit_resource what, enum ledger_what event)
{
	return 1ull << (what * 4 + event);
}

void ledgerpriv_tell(struct ledger *l, struct ledgerpriv_rec *rec,
		     enum limit_resource what, enum ledger_what event)
{
	uint64_t bit = told_bit(what, event);

	if ((rec->told & bit) || l->n_events == LEDGERPRIV_EVENTS)
		return;
	ledgerpriv_put(l, &rec->told, rec->told | bit);
	l->events[l->n_events++] =
		(struct ledger_event){ (enum ledger_kind)(rec->key >> 32),
				       (uint32_t)rec->key, what, event };
}

/* What is below its limit again may be told again. */
static void untell(struct ledger *l, struct ledgerpriv_rec *rec,
		   enum limit_resource what)
{
	const struct limit *m = &rec->r.of[what];
	uint64_t told = rec->told;

	if (!m->deadline)
		told &= ~(told_bit(what, LEDGER_SOFT) |
			  told_bit(what, LEDGER_EXPIRED));
	if (!m->hard || m->usage < m->hard)
		told &= ~told_bit(what, LEDGER_HARD);
	ledgerpriv_put(l, &rec->told, told);
}

void ledgerpriv_set(struct ledger *l, struct ledgerpriv_rec *rec,
		    enum limit_resource what, uint64_t usage)
{
	enum ledger_kind kind = (enum ledger_kind)(rec->key >> 32);
	struct limit m = rec->r.of[what];
	bool began = m.deadline == 0;

	limit_settle(&m, usage, l->head->grace[kind][what], l->now());
	put_limit(l, &rec->r.of[what], &m);
	untell(l, rec, what);
	if (began && m.deadline && ledgerpriv_enforced(l, kind))
		ledgerpriv_tell(l, rec, what, LEDGER_SOFT);
}

void ledgerpriv_add(struct ledger *l, struct ledgerpriv_rec *rec,
		    enum limit_resource what, int64_t delta)
{
	uint64_t old = rec->r.of[what].usage;
	uint64_t usage = old + (uint64_t)delta;

	if (delta == 0)
		return;
	if (delta < 0 && old < (uint64_t)-delta)
		usage = 0;
	ledgerpriv_set(l, rec, what, usage);
}

void ledger_get(struct ledger *l, enum ledger_kind kind, uint32_t id,
		struct limit_rec *out)
{
	const struct ledgerpriv_rec *rec;

	lock_acquire(&l->lock);
	rec = ledgerpriv_find(l, kind, id);
	*out = rec ? rec->r : (struct limit_rec){ 0 };
	lock_release(&l->lock);
}

void ledger_each(struct ledger *l, enum ledger_kind kind,
		 void (*fn)(void *ctx, uint32_t id, const struct limit_rec *r),
		 void *ctx)
{
	for (uint64_t i = 0;; i++) {
		struct ledgerpriv_rec rec = { .key = 0 };
		bool more;

		lock_acquire(&l->lock);
		more = i < l->head->n_recs;
		if (more)
			rec = l->recs[i];
		lock_release(&l->lock);
		if (!more)
			return;
		if (rec.key >> 32 == kind)
			fn(ctx, (uint32_t)rec.key, &rec.r);
	}
}

int ledger_set(struct ledger *l, enum ledger_kind kind, uint32_t id,
	       enum limit_resource what, uint64_t soft, uint64_t hard)
{
	struct ledgerpriv_rec *rec;
	struct limit m;
	int r = -ENOMEM;

	ledgerpriv_begin(l);
	rec = ledgerpriv_want(l, kind, id);
	if (rec) {
		m = rec->r.of[what];
		r = limit_set(&m, soft, hard, l->head->grace[kind][what],
			      l->now());
	}
	if (r == 0) {
		put_limit(l, &rec->r.of[what], &m);
		untell(l, rec, what);
	}
	ledgerpriv_end(l);
	return r;
}

int ledger_load(struct ledger *l, enum ledger_kind kind, uint32_t id,
		const struct limit_rec *r)
{
	struct ledgerpriv_rec *rec;

	ledgerpriv_begin(l);
	rec = ledgerpriv_want(l, kind, id);
	for (int i = 0; rec && i < LIMIT_RESOURCES; i++)
		put_limit(l, &rec->r.of[i], &r->of[i]);
	ledgerpriv_end(l);
	return rec ? 0 : -ENOMEM;
}

int ledger_set_usage(struct ledger *l, enum ledger_kind kind, uint32_t id,
		     const uint64_t usage[LIMIT_RESOURCES])
{
	struct ledgerpriv_rec *rec;

	ledgerpriv_begin(l);
	rec = ledgerpriv_want(l, kind, id);
	for (int i = 0; rec && i < LIMIT_RESOURCES; i++)
		ledgerpriv_set(l, rec, (enum limit_resource)i, usage[i]);
	ledgerpriv_end(l);
	return rec ? 0 : -ENOMEM;
}

void ledger_clear_usage(struct ledger *l)
{
	/* Deadlines stay: set_usage() decides with the new numbers. */
	for (uint64_t i = 0; i < l->head->n_recs; i++) {
		ledgerpriv_begin(l);
		for (int k = 0; k < LIMIT_RESOURCES; k++)
			ledgerpriv_put(l, &l->recs[i].r.of[k].usage, 0);
		ledgerpriv_end(l);
	}
}

void ledger_set_grace(struct ledger *l, enum ledger_kind kind,
		      enum limit_resource what, uint64_t seconds)
{
	ledgerpriv_begin(l);
	ledgerpriv_put(l, &l->head->grace[kind][what], seconds);
	ledgerpriv_end(l);
}

uint64_t ledger_grace(struct ledger *l, enum ledger_kind kind,
		      enum limit_resource what)
{
	uint64_t grace;

	lock_acquire(&l->lock);
	grace = l->head->grace[kind][what];
	lock_release(&l->lock);
	return grace;
}

int ledger_set_deadline(struct ledger *l, enum ledger_kind kind, uint32_t id,
			enum limit_resource what, int64_t deadline)
{
	struct ledgerpriv_rec *rec;

	ledgerpriv_begin(l);
	rec = ledgerpriv_want(l, kind, id);
	if (rec) {
		struct limit m = rec->r.of[what];

		m.deadline = deadline;
		limit_settle(&m, m.usage, l->head->grace[kind][what], l->now());
		put_limit(l, &rec->r.of[what], &m);
		untell(l, rec, what);
	}
	ledgerpriv_end(l);
	return rec ? 0 : -ENOMEM;
}

void ledger_enforce(struct ledger *l, enum ledger_kind kind, bool on)
{
	uint64_t bit = 1ull << kind;

	ledgerpriv_begin(l);
	ledgerpriv_put(l, &l->head->enforce,
		       on ? l->head->enforce | bit : l->head->enforce & ~bit);
	ledgerpriv_end(l);
}

bool ledger_enforces(struct ledger *l, enum ledger_kind kind)
{
	bool on;

	lock_acquire(&l->lock);
	on = ledgerpriv_enforced(l, kind);
	lock_release(&l->lock);
	return on;
}

uint64_t ledger_version(struct ledger *l)
{
	uint64_t v;

	lock_acquire(&l->lock);
	v = l->head->version;
	lock_release(&l->lock);
	return v;
}

void ledger_on_event(struct ledger *l,
		     void (*fn)(void *ctx, const struct ledger_event *e),
		     void *ctx)
{
	l->on_event = fn;
	l->event_ctx = ctx;
}

void ledger_on_change(struct ledger *l, void (*fn)(void *ctx), void *ctx)
{
	l->on_change = fn;
	l->change_ctx = ctx;
	l->armed = fn != NULL;
}

void ledger_arm(struct ledger *l)
{
	lock_acquire(&l->lock);
	l->armed = l->on_change != NULL;
	lock_release(&l->lock);
}

/* Making. */

void ledger_relax(struct ledger *l)
{
	u64map_free(&l->index);
	order_free(&l->order);
}

static int find_records(struct ledger *l)
{
	if (l->head->n_recs < 1 || l->head->n_recs > LEDGERPRIV_RECS)
		return -EUCLEAN;
	for (uint64_t i = 1; i < l->head->n_recs; i++) {
		uint64_t *at = u64map_at(&l->index, l->recs[i].key);

		if (!at)
			return -ENOMEM;
		*at = i;
	}
	return 0;
}

int ledger_recover(struct ledger *l)
{
	int r = roll_back(l);

	memset(&l->lock, 0, sizeof(l->lock));
	memset(&l->order_lock, 0, sizeof(l->order_lock));
	ledger_relax(l);
	memset(l->held, 0, sizeof(l->held));
	l->n_events = 0;
	if (r == 0)
		r = find_records(l);
	if (r == 0)
		charge_count_rows(l);
	return r;
}

static void begin_empty(struct ledger *l)
{
	l->head->layout = LEDGER_LAYOUT;
	l->head->n_recs = 1;
	l->head->enforce = (1u << LEDGER_KINDS) - 1;
	for (int k = 0; k < LEDGER_KINDS; k++) {
		for (int i = 0; i < LIMIT_RESOURCES; i++)
			l->head->grace[k][i] = LIMIT_GRACE_DEFAULT;
	}
}

struct ledger *ledger_new(int fd, int64_t (*now)(void))
{
	struct ledger *l = calloc(1, sizeof(*l));
	size_t size = LEDGERPRIV_AT_ROWS +
		      CHARGE_ROWS * sizeof(struct ledgerpriv_row);
	int r;

	if (!l)
		return NULL;
	l->now = now ? now : system_time;
	l->mem.fd = -1;
	l->kept = UINT32_MAX;
	l->row_counts = calloc(LEDGERPRIV_ROW_PAGES, sizeof(*l->row_counts));
	r = fd < 0 ? shm_new(&l->mem, "vefs-quota", size)
		   : shm_attach(&l->mem, fd, size);
	if (r < 0 || !l->row_counts) {
		ledger_free(l);
		return NULL;
	}
	l->head = l->mem.base;
	l->recs = (void *)((char *)l->mem.base + LEDGERPRIV_AT_RECS);
	l->rows = (void *)((char *)l->mem.base + LEDGERPRIV_AT_ROWS);
	if (fd < 0)
		begin_empty(l);
	if (ledger_recover(l) < 0) {
		ledger_free(l);
		return NULL;
	}
	return l;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	ledger_relax(l);
	free(l->row_counts);
	shm_free(&l->mem);
	free(l);
}

int ledger_fd(const struct ledger *l)
{
	return l->mem.fd;
}
