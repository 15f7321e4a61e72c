/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_HOSTLIMIT_H
#define VEFS_FS_HOSTLIMIT_H

/*
 * hostlimit - the container's limit on space, kept by the host's filesystem
 * (quota/hostquota.h): files whose owner has no other limit are written by
 * passthrough, as fast as without a quota, and the limit holds whoever
 * serves, or nobody.
 *
 * The ledger counts on, and is asked by what passes the gate as before; what
 * is written by passthrough it learns when the file is closed. Until then the
 * host alone knows, and also refuses what the daemon does.
 *
 * o->hostlimit is NULL where the daemon keeps the limit itself. All functions
 * take that.
 */
#include <stddef.h>
#include <stdint.h>

#include "fs/overlay.h"

struct hostlimit;

/*
 * Of the upper and the gate of `o`; no limit is set yet. `folder` is the
 * quota's file's, borrowed, and outlives it. -EOPNOTSUPP or another error with
 * the reason in why[len].
 */
int hostlimit_new(struct hostlimit **out, struct overlay *o, int folder,
		  char *why, size_t len);
void hostlimit_free(struct hostlimit *h);

/* In each worker, before its threads: the host refuses it, too. */
void hostlimit_begin(const struct overlay *o);

/*
 * Give the host the limit that the ledger has now. When that cannot be done the
 * daemon keeps it from then on, for files that are opened. Returns in how many
 * seconds it must be done again though nothing changes; -1: never.
 */
int64_t hostlimit_update(struct overlay *o);

/*
 * btrfs asks a quota for much more than a change of metadata needs, and wants
 * some for overwriting, truncating, chmod(2) too; what counts as never refused
 * may also need a block of a directory. So the changes of the daemon that the
 * gate allowed and the host refuses are done again while the container may have
 * a little more: HOSTLIMIT_FORCE() what is never refused, HOSTLIMIT_TRY() other
 * changes of metadata, on btrfs alone. `call` is an expression of type int.
 */
#define HOSTLIMIT_FORCE(o, call) HOSTLIMIT_LOOP_(o, call, true)
#define HOSTLIMIT_TRY(o, call) HOSTLIMIT_LOOP_(o, call, false)

#define HOSTLIMIT_LOOP_(overlay, call, is_forced)                              \
	({                                                                     \
		struct hostlimit_loan loan_ = { .o = (overlay),                \
						.forced = (is_forced) };       \
		int hostlimit_r_;                                              \
                                                                               \
		do                                                             \
			hostlimit_r_ = (call);                                 \
		while (hostlimit_again(&loan_, hostlimit_r_));                 \
		hostlimit_r_;                                                  \
	})

/* For those alone: `r` is how it ended; true: once more. */
struct hostlimit_loan {
	struct overlay *o;
	bool forced;
	unsigned tries;
};
bool hostlimit_again(struct hostlimit_loan *l, int r);

/*
 * The error to answer: a full project or subvolume is a full disk, -ENOSPC,
 * unless it was the gate that said -EDQUOT.
 */
int hostlimit_error(const struct overlay *o, int r);

#endif
