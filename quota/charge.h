/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_CHARGE_H
#define VEFS_QUOTA_CHARGE_H

/*
 * charge - usage in a ledger (ledger.h): who asks before something grows, and
 * what is counted after.
 *
 * A *row* remembers what one inode is charged with, for as long as somebody
 * changes it; rows are numbered by the caller. What is charged follows what
 * the filesystem says that an inode takes (charge_settle), and is never
 * refused: the question whether something may grow comes before it does
 * (charge_reserve), for the most that it could take.
 *
 * Locking as in ledger.h.
 */
#include <stdbool.h>
#include <stdint.h>

#include "quota/ledger.h"

#define CHARGE_ROWS (16u << 20)
#define CHARGE_MARKS 512u

/* Growing. */

struct charge_owner {
	uint32_t uid, gid;
};

/* What somebody may be about to take. */
struct charge_want {
	struct charge_owner owner;
	uint64_t space, inodes;
};

/* What was granted and is not settled yet. */
struct charge_hold {
	uint64_t of[LIMIT_RESOURCES];
};

/*
 * May all of want[n] be had, besides everything that others hold? 0 and *hold,
 * to be given back by charge_release() after settling; -ENOSPC: the container
 * is full; -EDQUOT: a user or group may have no more.
 *
 * When others hold something the answer may be no too early; alone it is
 * exact.
 */
int charge_reserve(struct ledger *l, const struct charge_want *want, unsigned n,
		   struct charge_hold *hold);
void charge_release(struct ledger *l, struct charge_hold *hold);

/*
 * How many more bytes may the owner take, if nobody else does? *err is what
 * to say when it is less than wanted. UINT64_MAX: no limit.
 */
uint64_t charge_room(struct ledger *l, struct charge_owner owner, int *err);

/* Does any limit on space apply to this owner? */
bool charge_is_limited(struct ledger *l, struct charge_owner owner);
/* One of a user or a group? The container's is the host's business. */
bool charge_is_limited_inside(struct ledger *l, struct charge_owner owner);

/*
 * A file that takes `space` goes from one owner to another: would the new one
 * be allowed to have it? 0 or -EDQUOT.
 */
int charge_may_move(struct ledger *l, struct charge_owner from,
		    struct charge_owner to, uint64_t space);

/* Rows. */

/* What an inode takes, of whom. */
struct charge {
	struct charge_owner owner;
	uint64_t space; /* bytes, a multiple of 512 */
	uint64_t ino;	/* its number, of what becomes known or is born */
};

/* What the row is charged with; false: it is not known. */
bool charge_row(struct ledger *l, uint32_t row, struct charge *out);

/* The inode is in the counters already, so. */
void charge_know(struct ledger *l, uint32_t row, const struct charge *c);

/*
 * A new inode: counted from now on. `mark` < CHARGE_MARKS and `unique` name the
 * request that made it: done twice it counts once. With CHARGE_DOOMED for a
 * mark it has no name, and dies with its row unless it gets one. A known row
 * is settled. -ENOMEM.
 */
#define CHARGE_NO_MARK UINT32_MAX
#define CHARGE_DOOMED (UINT32_MAX - 1)
int charge_born(struct ledger *l, uint32_t row, const struct charge *c,
		uint32_t mark, uint64_t unique);

/* A known row takes this now. -ENOMEM. */
int charge_settle(struct ledger *l, uint32_t row, const struct charge *c);

/* Its last name went (or, false, it has one again): it dies with its row. */
void charge_doom(struct ledger *l, uint32_t row, bool doomed);

/* The row is free; what was doomed is counted no more. */
void charge_forget(struct ledger *l, uint32_t row);

/* Is usage counted anew just now? */
bool charge_is_recounted(struct ledger *l);

/* Call `fn` with what each doomed row is charged with. */
void charge_each_doomed(struct ledger *l,
			void (*fn)(void *ctx, const struct charge *c),
			void *ctx);

/* Call `fn` for each row that is known. For who takes over. */
void charge_each_row(struct ledger *l, void (*fn)(void *ctx, uint32_t row),
		     void *ctx);

/*
 * With the ledger's lock held: the first known row from `row` on, and its
 * charge; CHARGE_ROWS: none.
 */
uint32_t charge_next_locked(struct ledger *l, uint32_t row, struct charge *c);

/* Count the known rows of each page: ledger_recover() does. */
void charge_count_rows(struct ledger *l);

#endif
