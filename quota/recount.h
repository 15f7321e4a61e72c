/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_RECOUNT_H
#define VEFS_QUOTA_RECOUNT_H

/*
 * recount - a ledger's usage is counted anew while it changes.
 *
 * An inode enters the count once, with what it takes at that moment: when its
 * row becomes known, which is before it changes (charge.h), or when who walks
 * the tree comes by, whatever is first. From then on what the ledger does with
 * it changes the count, too. The ledger keeps its own usage meanwhile, right or
 * not, and takes over what was counted in one step.
 *
 * Locking: any thread; one recount of a ledger at a time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quota/charge.h"

struct recount;

/* Nothing counted yet, nothing followed. NULL: no memory. */
struct recount *recount_new(struct ledger *l);
/* The ledger forgets it. */
void recount_free(struct recount *rc);

/* A known row, and the inode number that it stands for. */
struct recount_row {
	uint32_t row;
	uint64_t ino;
};

/*
 * All known rows enter, and from now on every change is followed. `rows` are
 * those whose inode is there; of others only what is doomed enters: the rest
 * is found by its name. No row may become known meanwhile.
 */
void recount_begin(struct recount *rc, const struct recount_row *rows,
		   size_t n);

/* Has the inode entered? */
bool recount_has(struct recount *rc, uint64_t ino);
/* It has a name, takes this (c->ino), and nobody is changing it. */
void recount_see(struct recount *rc, const struct charge *c);

/*
 * The ledger has the usage that was counted, and is followed no more. Returns
 * the number of inodes; -ENOMEM: something could not be counted, the ledger is
 * as it was.
 */
int64_t recount_end(struct recount *rc);

/* For charge.c, with the ledger's lock held; `rc` NULL: nothing. */
void recount_known_locked(struct recount *rc, const struct charge *c);
void recount_born_locked(struct recount *rc, uint64_t ino);
void recount_change_locked(struct recount *rc, enum ledger_kind kind,
			   uint32_t id, int64_t space, int64_t inodes);

#endif
