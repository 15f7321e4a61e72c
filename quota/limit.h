/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_LIMIT_H
#define VEFS_QUOTA_LIMIT_H

/*
 * limit - the arithmetic of one limit: usage, soft limit, hard limit, grace.
 *
 * Semantics are those of Linux disk quotas: usage may be above the soft limit
 * for the time of the grace, never above the hard one. The first excess sets
 * the deadline; at the deadline nothing more is granted; being at or below
 * the soft limit again clears it. A limit of 0 is none. Pure: time is given,
 * seconds since 1970.
 */
#include <stdbool.h>
#include <stdint.h>

enum limit_resource { LIMIT_SPACE, LIMIT_INODES, LIMIT_RESOURCES };

/* "space", "inodes". */
extern const char *const limit_names[LIMIT_RESOURCES];

#define LIMIT_GRACE_DEFAULT (3 * 24 * 60 * 60) /* s, as OpenVZ's */
/* No usage or limit is above it, so that sums do not overflow. */
#define LIMIT_MAX (INT64_MAX / 4)

/* Bytes, or inodes. */
struct limit {
	uint64_t usage, soft, hard;
	int64_t deadline; /* s since 1970; 0: none */
};

/* What one owner has of each. */
struct limit_rec {
	struct limit of[LIMIT_RESOURCES];
};

enum limit_verdict {
	LIMIT_FITS,
	LIMIT_OVER_HARD, /* the hard limit refuses it */
	LIMIT_OVER_TIME, /* it is above the soft one, and the grace is over */
};

/* May usage grow by `more`? 0 more always may. */
enum limit_verdict limit_ask(const struct limit *l, uint64_t more, int64_t now);

/* By how much may it grow? UINT64_MAX: no limit. */
uint64_t limit_room(const struct limit *l, int64_t now);

/*
 * Usage is now `usage`, refused or not: set it and start or clear the
 * deadline. `grace` in seconds.
 */
void limit_settle(struct limit *l, uint64_t usage, uint64_t grace, int64_t now);

/*
 * New limits. -EINVAL when soft is above hard (and there is a hard one),
 * -ERANGE above LIMIT_MAX; *l is as it was then. A usage above the new soft
 * limit begins its grace now.
 */
int limit_set(struct limit *l, uint64_t soft, uint64_t hard, uint64_t grace,
	      int64_t now);

static inline bool limit_is_set(const struct limit *l)
{
	return l->soft || l->hard;
}

#endif
