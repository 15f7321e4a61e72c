/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_LEDGER_H
#define VEFS_QUOTA_LEDGER_H

/*
 * ledger - who has how much: the container, every uid and every gid in it.
 *
 * In shared memory, so that it survives the process that keeps it: each change
 * is all or nothing, also when that process is killed in the middle of it.
 *
 * charge.h changes usage.
 *
 * Locking: all functions but _new, _free, _recover may be called by any
 * thread. Ids are the container's own.
 */
#include <stdbool.h>
#include <stdint.h>

#include "quota/limit.h"

#define LEDGER_LAYOUT 1

enum ledger_kind { LEDGER_CONTAINER, LEDGER_USER, LEDGER_GROUP, LEDGER_KINDS };

/* "container", "user", "group". */
extern const char *const ledger_kinds[LEDGER_KINDS];

struct ledger;

/*
 * An empty one with default graces and no limits; or with `fd` >= 0 that of
 * the memfd, which is taken. NULL: no memory. `now` is the time of the day in
 * seconds, NULL: the system's.
 */
struct ledger *ledger_new(int fd, int64_t (*now)(void));
void ledger_free(struct ledger *l);
int ledger_fd(const struct ledger *l);

/*
 * First in every process that takes over: undo the change that its
 * predecessor was in, find the records again. -ENOMEM, -EUCLEAN.
 */
int ledger_recover(struct ledger *l);

/*
 * Give back the memory of what ledger_recover() makes anew. Until that was
 * called there are only ledger_fd() and ledger_free().
 */
void ledger_relax(struct ledger *l);

/* Records. */

/* All zero when there is none. */
void ledger_get(struct ledger *l, enum ledger_kind kind, uint32_t id,
		struct limit_rec *out);
/* Call `fn` for each record of a kind, in no order, without locks. */
void ledger_each(struct ledger *l, enum ledger_kind kind,
		 void (*fn)(void *ctx, uint32_t id, const struct limit_rec *r),
		 void *ctx);
/* Soft and hard limits of one resource. Errors of limit_set(), -ENOMEM. */
int ledger_set(struct ledger *l, enum ledger_kind kind, uint32_t id,
	       enum limit_resource what, uint64_t soft, uint64_t hard);
/* All of a record, usage too: from a file. -ENOMEM. */
int ledger_load(struct ledger *l, enum ledger_kind kind, uint32_t id,
		const struct limit_rec *r);
/* Usage as it was counted: all that is in no record of `fn` is 0. */
int ledger_set_usage(struct ledger *l, enum ledger_kind kind, uint32_t id,
		     const uint64_t usage[LIMIT_RESOURCES]);
/* Before that: no usage anywhere. */
void ledger_clear_usage(struct ledger *l);

/* Seconds. A record's deadline that runs keeps running. */
void ledger_set_grace(struct ledger *l, enum ledger_kind kind,
		      enum limit_resource what, uint64_t seconds);
uint64_t ledger_grace(struct ledger *l, enum ledger_kind kind,
		      enum limit_resource what);
/* A deadline of its own, s since 1970; 0 for a new grace. */
int ledger_set_deadline(struct ledger *l, enum ledger_kind kind, uint32_t id,
			enum limit_resource what, int64_t deadline);

/* Are limits of this kind kept? Usage is counted in any case. */
void ledger_enforce(struct ledger *l, enum ledger_kind kind, bool on);
bool ledger_enforces(struct ledger *l, enum ledger_kind kind);

/* Counts every change: equal numbers, equal content. */
uint64_t ledger_version(struct ledger *l);

/* What was reached, to be told: once each, until it is below again. */
struct ledger_event {
	enum ledger_kind kind;
	uint32_t id;
	enum limit_resource what;
	enum ledger_what {
		LEDGER_SOFT,	/* above the soft limit, the grace begins */
		LEDGER_HARD,	/* the hard limit refused something */
		LEDGER_EXPIRED, /* the grace was over and refused something */
	} event;
};

/*
 * `fn` is called once, without locks, at the next change; ledger_arm() makes
 * it be called again. To be set before any other thread.
 */
void ledger_on_change(struct ledger *l, void (*fn)(void *ctx), void *ctx);
void ledger_arm(struct ledger *l);

/* Who is told, without locks held; set before any other thread. */
void ledger_on_event(struct ledger *l,
		     void (*fn)(void *ctx, const struct ledger_event *e),
		     void *ctx);

#endif
