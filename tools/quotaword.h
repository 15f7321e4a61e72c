/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_QUOTAWORD_H
#define VEFS_TOOLS_QUOTAWORD_H

/*
 * quotaword - limits and times as people write them for quotas, and as they
 * are printed.
 *
 * Parsing gives 0, -EINVAL (what is written is not of this kind) or -ERANGE
 * (it is, but too large; or a soft limit above the hard one), with a sentence
 * in `why` that names the word; the result is changed on success only.
 */
#include "quota/limit.h"
#include "templates/why.h"

struct quotaword {
	uint64_t soft, hard; /* bytes or inodes; 0: none */
};

/* Where the word comes from. */
enum quotaword_from {
	QUOTAWORD_OURS,	  /* 0 is no limit, P is PiB */
	QUOTAWORD_OPTION, /* vzctl's options: 0 is no limit, P may mean pages */
	QUOTAWORD_CONF,	  /* vefs.conf: 0 means zero there, P as above */
};

/*
 * SOFT[:HARD], SOFT alone is both; "unlimited". Space: KiB, or with one of
 * B K M G T P of 1024 each (B: bytes, rounded up to KiB; "KB", "KiB" too).
 * Inodes: plain numbers. What may not be taken as it would be meant by OpenVZ
 * (see `from`) is refused.
 */
int quotaword_limits(enum limit_resource what, enum quotaword_from from,
		     const char *s, struct quotaword *out, struct why *why);

/*
 * A time in seconds: [[dd:]hh:]mm:ss, a number of seconds, or one with s min h
 * d w m y (m: 30 days, y: 365), in either case or spelled out ("7days").
 */
int quotaword_time(const char *s, uint64_t *seconds, struct why *why);

/* Most seconds of a time: the ledger takes no more than 32 bits of them. */
#define QUOTAWORD_TIME_MAX (100ull * 365 * 86400)

#define QUOTAWORD_SIZE 32 /* room for any of these */

/* "7days", "23:59": as quota tools write a time that is left. */
const char *quotaword_print_time(uint64_t seconds, char text[QUOTAWORD_SIZE]);

/* "7days", "1h", "90s": the whole of it, as quotaword_time() takes it. */
const char *quotaword_print_exact(uint64_t seconds, char text[QUOTAWORD_SIZE]);

/*
 * What is left of a grace: "" while usage is not above the soft limit, "none"
 * when it is over.
 */
const char *quotaword_print_grace(const struct limit *l, int64_t now,
				  char text[QUOTAWORD_SIZE]);

/* Is usage above a limit? */
bool quotaword_is_over(const struct limit *l);

/* As the tools count: KiB, rounded up; or inodes. */
uint64_t quotaword_units(enum limit_resource what, uint64_t n);

/* "1024:2048" in units, "unlimited" for none: as vefs.conf has it. */
const char *quotaword_print_limits(enum limit_resource what,
				   const struct quotaword *w,
				   char text[2 * QUOTAWORD_SIZE]);

#endif
