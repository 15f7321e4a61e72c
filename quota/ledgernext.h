/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_LEDGERNEXT_H
#define VEFS_QUOTA_LEDGERNEXT_H

/*
 * ledgernext - a ledger's records in the order of their ids, for who lists
 * them one by one. Takes the logarithm of their number; when more than a
 * thousand have come since it was last asked, these are sorted first. Costs
 * four bytes a record from then on, and nothing while nobody asks.
 */
#include "quota/ledger.h"

/*
 * The record of the lowest id from `from` on that is not all zeros; false:
 * there is none. One that comes meanwhile is found, if it does before its turn.
 */
bool ledgernext(struct ledger *l, enum ledger_kind kind, uint32_t from,
		uint32_t *id, struct limit_rec *out);

#endif
