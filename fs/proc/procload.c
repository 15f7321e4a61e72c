/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procload.h"

#include "fs/proc/proctext.h"

/* exp(-5 s / 1, 5, 15 min) in 1 << 32 */
#define FULL (1ull << 32)
static const uint64_t decay[3] = { 3951560672ull, 4223977731ull,
				   4271172524ull };

/* x^n, x in FULL */
static uint64_t power(uint64_t x, uint64_t n)
{
	uint64_t r = FULL;

	for (; n; n >>= 1) {
		if (n & 1)
			r = proctext_scale(r, x, FULL);
		x = proctext_scale(x, x, FULL);
	}
	return r;
}

static void steps(struct procload *l, uint64_t active, uint64_t n)
{
	for (unsigned i = 0; i < 3; i++) {
		uint64_t keep = power(decay[i], n);

		l->avg[i] = proctext_scale(l->avg[i], keep, FULL) +
			    proctext_scale(active, FULL - keep, FULL);
	}
}

int procload_is_due(const struct procload *l, uint64_t at)
{
	return l->at == 0 || proctext_less(at, l->at) >= PROCLOAD_STEP;
}

/*
 * How many were active on the average while nobody looked: as many as
 * processors were in use; if these were all that it may use, others may have
 * waited, and there were about as many as before and after.
 */
static uint64_t meanwhile(const struct procload *l,
			  const struct procload_sample *s, uint64_t now)
{
	uint64_t ns = s->at - l->at;
	uint64_t mean = proctext_scale(proctext_less(s->used, l->used),
				       PROCLOAD_ONE, ns);
	uint64_t all = proctext_scale(s->milli, PROCLOAD_ONE, 1000);
	uint64_t around = (l->active + now) / 2;

	if (mean >= all - all / 10 && around > mean)
		return around;
	return mean;
}

void procload_update(struct procload *l, const struct procload_sample *s)
{
	uint64_t now = proctext_scale(s->active, PROCLOAD_ONE, 1), n;

	if (l->at == 0)
		l->at = s->start && s->start < s->at ? s->start : s->at;
	n = proctext_less(s->at, l->at) / PROCLOAD_STEP;
	if (n == 0)
		return;
	if (n > 1)
		steps(l, meanwhile(l, s, now), n - 1);
	steps(l, now, 1);
	l->at += n * PROCLOAD_STEP;
	l->used = s->used;
	l->active = now;
}
