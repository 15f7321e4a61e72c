/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_LEDGERPRIV_H
#define VEFS_QUOTA_LEDGERPRIV_H

/*
 * ledgerpriv - the ledger from inside, for ledger.c (records, changes),
 * ledgernext.c (their order) and charge.c (growing, rows). What stands in shared memory is what
 * LEDGER_LAYOUT numbers.
 */
#include "fs/base/lock.h"
#include "fs/base/shm.h"
#include "fs/base/u64map.h"
#include "quota/charge.h"
#include "quota/ledger.h"

#define LEDGERPRIV_JOURNAL 96u /* words that one change can touch */
#define LEDGERPRIV_RECS (8u << 20)
#define LEDGERPRIV_EVENTS 8u

struct ledgerpriv_rec {
	uint64_t key; /* kind << 32 | id */
	struct limit_rec r;
	uint64_t told; /* which events were */
};

/* A row's charge; its low bits, which no charge has, are flags. */
#define LEDGERPRIV_KNOWN 1ull
#define LEDGERPRIV_DOOMED 2ull
#define LEDGERPRIV_FLAGS 511ull

struct ledgerpriv_row {
	uint64_t space; /* and flags */
	uint64_t owner; /* uid << 32 | gid */
};

struct ledgerpriv_entry {
	uint64_t at, old; /* offset in the region, what stood there */
};

struct ledgerpriv_head {
	uint32_t layout, pad;
	uint64_t version;
	uint64_t n_recs;  /* record 0 is the container's */
	uint64_t enforce; /* a bit per kind */
	uint64_t grace[LEDGER_KINDS][LIMIT_RESOURCES];
	_Atomic uint64_t journaled;
	struct ledgerpriv_entry journal[LEDGERPRIV_JOURNAL];
	uint64_t marks[CHARGE_MARKS];
};

#define LEDGERPRIV_ROWS_A_PAGE (SHM_PAGE / sizeof(struct ledgerpriv_row))
#define LEDGERPRIV_ROW_PAGES (CHARGE_ROWS / LEDGERPRIV_ROWS_A_PAGE)
#define LEDGERPRIV_AT_RECS ((size_t)2 * SHM_PAGE)
#define LEDGERPRIV_AT_ROWS                                                     \
	(LEDGERPRIV_AT_RECS +                                                  \
	 ((LEDGERPRIV_RECS * sizeof(struct ledgerpriv_rec) + SHM_PAGE - 1) &   \
	  ~(size_t)(SHM_PAGE - 1)))

_Static_assert(sizeof(struct ledgerpriv_head) <= LEDGERPRIV_AT_RECS,
	       "the head has its pages");

/* order.h's. */
struct order {
	uint32_t *recs;
	size_t n;
};

struct ledger {
	struct lock lock;
	struct lock order_lock; /* before `lock` */
	struct order order;
	struct shm mem;
	struct ledgerpriv_head *head;
	struct ledgerpriv_rec *recs;
	struct ledgerpriv_row *rows;
	struct u64map index; /* record by key, without the container's */
	uint64_t held[LIMIT_RESOURCES];
	uint16_t *row_counts; /* known rows, a page each */
	uint32_t kept;	      /* a page without any that was not given back */
	int64_t (*now)(void);
	void (*on_event)(void *ctx, const struct ledger_event *e);
	void *event_ctx;
	void (*on_change)(void *ctx);
	void *change_ctx;
	bool armed;
	struct recount *recount; /* NULL: usage is not counted anew */
	unsigned n_events;
	struct ledger_event events[LEDGERPRIV_EVENTS];
};

/* A change: takes the lock; releases it and tells what is to be told. */
void ledgerpriv_begin(struct ledger *l);
void ledgerpriv_end(struct ledger *l);

/* In a change: set a word of the region. */
void ledgerpriv_put(struct ledger *l, uint64_t *word, uint64_t value);

/* With the lock held; NULL: there is none; cannot be made. */
struct ledgerpriv_rec *ledgerpriv_find(struct ledger *l, enum ledger_kind kind,
				       uint32_t id);
struct ledgerpriv_rec *ledgerpriv_want(struct ledger *l, enum ledger_kind kind,
				       uint32_t id);

/* In a change: usage grows or shrinks, to 0 at least. */
void ledgerpriv_add(struct ledger *l, struct ledgerpriv_rec *rec,
		    enum limit_resource what, int64_t delta);

/* In a change: it is that much. */
void ledgerpriv_set(struct ledger *l, struct ledgerpriv_rec *rec,
		    enum limit_resource what, uint64_t usage);

/* In a change: what was done so far is done. Between the parts of a large one,
 * which is noted elsewhere. */
void ledgerpriv_commit(struct ledger *l);

/* In a change: it is told when that ends, unless it was before. */
void ledgerpriv_tell(struct ledger *l, struct ledgerpriv_rec *rec,
		     enum limit_resource what, enum ledger_what event);

static inline uint64_t ledgerpriv_key(enum ledger_kind kind, uint32_t id)
{
	return (uint64_t)kind << 32 | (kind == LEDGER_CONTAINER ? 0 : id);
}

static inline bool ledgerpriv_enforced(const struct ledger *l,
				       enum ledger_kind kind)
{
	return l->head->enforce >> kind & 1;
}

#endif
