/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_BOOKS_H
#define VEFS_TESTS_UNIT_BOOKS_H

/*
 * books - a ledger whose clock stands still, in the few words that its suites
 * need: what must work is checked here.
 */
#include <stdbool.h>
#include <stdint.h>

#include "quota/charge.h"
#include "quota/ledger.h"

/* What the clock says, in seconds; changes when a test changes it. */
extern int64_t books_time;
int64_t books_now(void);

/* To be given to ledger_free(). */
struct ledger *books_new(void);

struct limit books_limit(struct ledger *l, enum ledger_kind kind, uint32_t id,
			 enum limit_resource what);
uint64_t books_usage(struct ledger *l, enum ledger_kind kind, uint32_t id,
		     enum limit_resource what);
void books_set(struct ledger *l, enum ledger_kind kind, uint32_t id,
	       enum limit_resource what, uint64_t soft, uint64_t hard);

struct charge books_charge(uint32_t uid, uint32_t gid, uint64_t space);
/* A row without a mark comes into being; has another charge from now on. */
void books_born(struct ledger *l, uint32_t row, struct charge c);
void books_settle(struct ledger *l, uint32_t row, struct charge c);

/* Container, users, groups, and the rows if `rows`: the same sum. */
void books_check(struct ledger *l, bool rows);

#endif
