/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_ORDER_H
#define VEFS_QUOTA_ORDER_H

/*
 * order - the numbers of records, sorted by their keys: four bytes a record,
 * made when somebody asks for the first time. Begins as all zero bytes. Not
 * locked.
 *
 * Records are only added, behind the others, and keep their keys, which differ:
 * so what is sorted stays sorted.
 */
#include <stddef.h>
#include <stdint.h>

#include "quota/ledgerpriv.h"

/*
 * Sort in the records up to number `n`, of which those below order->n are.
 * 0 or -ENOMEM: it is as before.
 */
int order_extend(struct order *o, const struct ledgerpriv_rec *recs, size_t n);

/* The place of the first whose key is `key` or higher; o->n: there is none. */
size_t order_from(const struct order *o, const struct ledgerpriv_rec *recs,
		  uint64_t key);

void order_free(struct order *o);

#endif
