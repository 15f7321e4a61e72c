/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_BACKOFF_H
#define VEFS_FS_BASE_BACKOFF_H

/*
 * backoff - what did not pay is left alone for a while, twice as long each
 * time. All zero: it was never in vain. Times and lengths in one unit, of one
 * clock.
 */
#include <stdbool.h>
#include <stdint.h>

struct backoff {
	uint64_t until; /* not before; 0: at any time */
	uint64_t pause; /* the last one's length */
};

/* It was in vain, at `now`: pause for `min` at least, `max` at most. */
static inline void backoff_pause(struct backoff *b, uint64_t now, uint64_t min,
				 uint64_t max)
{
	b->pause *= 2;
	if (b->pause < min)
		b->pause = min;
	if (b->pause > max)
		b->pause = max;
	b->until = now + b->pause;
}

/* Is a pause on? Asks `clock` only if there was one. */
static inline bool backoff_is_on(const struct backoff *b,
				 uint64_t (*clock)(void))
{
	return b->until && clock() < b->until;
}

#endif
