/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/cpuacc.h"

#include <stdatomic.h>
#include <string.h>

#include "fs/proc/proctext.h"

/*
 * Invariants of a bank: n <= most <= CPUACC_MAX; the times of a processor only
 * grow, and are at least `alive` together. `current` names the bank that
 * counts; an update builds the other one and then changes that.
 */

static struct cpuacc_bank *begin(struct cpuacc *a, uint32_t n)
{
	const struct cpuacc_bank *from = &a->bank[atomic_load(&a->current) & 1];
	struct cpuacc_bank *to = &a->bank[!(atomic_load(&a->current) & 1)];
	uint32_t most = from->most > n ? from->most : n;

	to->at = from->at;
	to->n = n;
	to->most = most;
	to->throttled = from->throttled;
	to->exact = from->exact;
	to->used = from->used;
	memcpy(to->cpu, from->cpu, sizeof(*to->cpu) * most);
	return to;
}

static void commit(struct cpuacc *a)
{
	atomic_fetch_xor(&a->current, 1);
}

/* What a counter has grown by; one that fell has begun anew. */
static uint64_t grown(uint64_t *last, uint64_t now)
{
	uint64_t d = proctext_less(now, *last);

	*last = now;
	return d;
}

static void spread(struct cpuacc_bank *b, enum cpuacc_time t, uint64_t ns)
{
	uint64_t each = ns / b->n, left = ns % b->n;

	for (uint32_t i = 0; i < b->n; i++)
		b->cpu[i].time[t] += each + (i < left);
}

/*
 * The part of user and system that can be told by processor; *told is what
 * all of it is by the same clock.
 */
static void take_real(struct cpuacc_bank *b, const struct cpuacc_bank *last,
		      const struct cpuacc_sample *s, const uint64_t told[2],
		      uint64_t left[2])
{
	const uint64_t all[2] = { left[0], left[1] };

	static const enum cpuacc_time kind[2] = { CPUACC_USER, CPUACC_SYSTEM };

	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t id = s->id[i];

		if (id >= CPUACC_MAX || id >= s->n_real)
			continue;
		for (unsigned k = 0; k < 2; k++) {
			uint64_t was = id < last->n_real ? last->real[id][k]
							 : 0;
			uint64_t d = proctext_less(s->real[id][k], was);

			if (told[k])
				d = proctext_scale(d, all[k], told[k]);
			d = proctext_min(d, left[k]);
			b->cpu[i].time[kind[k]] += d;
			left[k] -= d;
		}
	}
}

/* Of all: the container may move to others of them later. */
static void keep_real(struct cpuacc_bank *b, const struct cpuacc_bank *last,
		      const struct cpuacc_sample *s)
{
	b->n_real = s->real ? s->n_real : last->n_real;
	if (b->n_real > CPUACC_MAX)
		b->n_real = CPUACC_MAX;
	memcpy(b->real, s->real ? s->real : last->real,
	       b->n_real * sizeof(b->real[0]));
}

static uint64_t busy(const struct cpuacc_cpu *c)
{
	return c->time[CPUACC_USER] + c->time[CPUACC_NICE] +
	       c->time[CPUACC_SYSTEM];
}

/* What is left of the time: stolen as far as it was, else idle. */
static void settle(struct cpuacc_bank *b, const struct cpuacc_bank *last,
		   uint64_t elapsed, uint64_t stolen)
{
	uint64_t each = stolen / b->n;

	for (uint32_t i = 0; i < b->n; i++) {
		struct cpuacc_cpu *c = &b->cpu[i];
		uint64_t used = busy(c) - busy(&last->cpu[i]);
		uint64_t known;

		c->alive += elapsed;
		c->time[CPUACC_STEAL] +=
			proctext_min(each, proctext_less(elapsed, used));
		known = busy(c) + c->time[CPUACC_STEAL];
		if (c->alive > known + c->time[CPUACC_IDLE])
			c->time[CPUACC_IDLE] = c->alive - known;
	}
}

/* What was used, by kind, as far as ticks can tell these apart. */
static void make_exact(const struct cpuacc_sample *s, uint64_t exact,
		       uint64_t left[2])
{
	uint64_t user = left[0], all = left[0] + left[1];

	if (all == 0) {
		user = s->used.user;
		all = s->used.user + s->used.system;
	}
	left[0] = all ? proctext_scale(exact, user, all) : exact;
	left[1] = exact - left[0];
}

void cpuacc_update(struct cpuacc *a, const struct cpuacc_sample *s)
{
	const struct cpuacc_bank *last = &a->bank[atomic_load(&a->current) & 1];
	uint32_t n = s->n < 1 ? 1 : s->n > CPUACC_MAX ? CPUACC_MAX : s->n;
	struct cpuacc_bank *b = begin(a, n);
	uint64_t from = b->at ? b->at : proctext_min(s->start, s->at);
	uint64_t left[2], told[2], elapsed = proctext_less(s->at, from);
	struct cpuacc_sample some = *s;

	some.n = n;
	left[0] = grown(&b->used.user, s->used.user);
	left[1] = grown(&b->used.system, s->used.system);
	memcpy(told, left, sizeof(told));
	if (s->exact)
		make_exact(s, grown(&b->exact, s->exact), left);
	if (s->real && s->id)
		take_real(b, last, &some, told, left);
	spread(b, CPUACC_USER, left[0]);
	spread(b, CPUACC_SYSTEM, left[1]);
	spread(b, CPUACC_NICE, grown(&b->used.nice, s->used.nice));
	settle(b, last, elapsed, grown(&b->throttled, s->throttled));
	keep_real(b, last, s);
	b->at = from + elapsed;
	commit(a);
}

const struct cpuacc_cpu *cpuacc_cpus(const struct cpuacc *a, uint32_t *n)
{
	const struct cpuacc_bank *b =
		&a->bank[atomic_load(&((struct cpuacc *)a)->current) & 1];

	*n = b->n;
	return b->cpu;
}

void cpuacc_total(const struct cpuacc *a, struct cpuacc_cpu *out)
{
	const struct cpuacc_bank *b =
		&a->bank[atomic_load(&((struct cpuacc *)a)->current) & 1];

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < b->most; i++) {
		for (unsigned t = 0; t < CPUACC_TIMES; t++)
			out->time[t] += b->cpu[i].time[t];
		out->alive += b->cpu[i].alive;
	}
}
