/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_TALLY_H
#define VEFS_QUOTA_TALLY_H

/*
 * tally - sums for each owner: the container, every uid, every gid. Begins as
 * all zero bytes. Not locked.
 */
#include "fs/base/u64map.h"
#include "quota/ledger.h"

struct tally {
	struct u64map index; /* private: row's number + 1 by kind and id */
	struct tally_row {
		uint64_t key;
		uint64_t usage[LIMIT_RESOURCES];
	} * rows;      /* private */
	size_t n, cap; /* private */
	uint64_t total[LIMIT_RESOURCES];
	size_t last[LEDGER_KINDS]; /* private: rows that were used last */
};

void tally_free(struct tally *t);

/* One more inode that takes `space`. 0 or -ENOMEM. */
int tally_add(struct tally *t, uint32_t uid, uint32_t gid, uint64_t space);

/* Of one owner, by numbers that may be below 0 (modulo 2^64). 0 or -ENOMEM. */
int tally_change(struct tally *t, enum ledger_kind kind, uint32_t id,
		 const uint64_t more[LIMIT_RESOURCES]);

/* All that is in `from` as well. 0 or -ENOMEM. */
int tally_merge(struct tally *t, const struct tally *from);

/* Of an owner; all zero when there is none. */
void tally_get(const struct tally *t, enum ledger_kind kind, uint32_t id,
	       uint64_t usage[LIMIT_RESOURCES]);

/* Call `fn` for each owner of each kind, the container first. */
void tally_each(const struct tally *t,
		void (*fn)(void *ctx, enum ledger_kind kind, uint32_t id,
			   const uint64_t usage[LIMIT_RESOURCES]),
		void *ctx);

#endif
