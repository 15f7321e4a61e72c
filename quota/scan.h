/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_SCAN_H
#define VEFS_QUOTA_SCAN_H

/*
 * scan - count what a tree takes, for each owner: the truth that a ledger is
 * compared with, or made from. Several threads walk it, fd-relative, never
 * following links or leaving the filesystem; hard links count once; nothing is
 * opened but directories. What footprint.h says counts, the root as well.
 */
#include <stdbool.h>
#include <stdint.h>

#include "quota/charge.h"
#include "quota/ledger.h"
#include "quota/footprint.h"

/* Owners as they are in a tree without a map; who has overrides gives this. */
typedef int (*scan_owner_fn)(void *ctx, int dirfd, const char *name,
			     struct stat *st);

struct scan_config {
	const int *roots;    /* directories: upper, and work/index; borrowed */
	unsigned n_roots;    /* the second and later ones are not counted
			   * themselves, only what is in them */
	unsigned threads;    /* 0: one per CPU, four at most */
	scan_owner_fn owner; /* changes st's owner; NULL: as it is */
	void *ctx;
	bool ripen; /* wait for what is not on disk yet: footprint_ripen() */
};

struct scan_result;

/* Walk. 0; -errno: a directory could not be read; -ENOMEM. */
int scan_run(struct scan_result **out, const struct scan_config *cfg);
void scan_free(struct scan_result *r);

uint64_t scan_inodes(const struct scan_result *r);

/* Call `fn` for each owner of a kind; usage as in limit.h. */
typedef void (*scan_fn)(void *ctx, enum ledger_kind kind, uint32_t id,
			const uint64_t usage[LIMIT_RESOURCES]);
void scan_each(const struct scan_result *r, scan_fn fn, void *ctx);

/* The ledger's usage becomes what was counted. 0 or -ENOMEM. */
int scan_apply(const struct scan_result *r, struct ledger *l);

/* What the scan could not see: one inode of this owner. 0 or -ENOMEM. */
int scan_add(struct scan_result *r, struct charge_owner owner, uint64_t space);

/*
 * Call `fn` for each record in which the ledger differs, with what the ledger
 * says and what was counted. Returns their number.
 */
struct scan_drift {
	enum ledger_kind kind;
	uint32_t id;
	uint64_t ledger[LIMIT_RESOURCES], counted[LIMIT_RESOURCES];
};
unsigned scan_compare(const struct scan_result *r, struct ledger *l,
		      void (*fn)(void *ctx, const struct scan_drift *d),
		      void *ctx);

#endif
