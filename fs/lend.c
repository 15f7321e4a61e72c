/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/lend.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "fs/base/clock.h"

/*
 * `tid` is there before the class changes and until it has changed back, or a
 * rescuer has taken it: so whoever is in the idle class can be found. A rescue
 * that comes late makes somebody ordinary who has just begun again: harmless.
 */
#define PAUSE_MIN CLOCK_S
#define PAUSE_MAX (10 * CLOCK_S)
#define LONG_AGO 10 /* pauses without a wait: the next one is short again */

/* Where the calling thread is in the idle class, or has been until rescued. */
static _Thread_local struct {
	struct lend *l;
	int tid;
} mine;

static int put_into(int tid, int class)
{
	const struct sched_param none = { .sched_priority = 0 };

	return sched_setscheduler(tid, class, &none);
}

/* In a thread that ends: it may not come back. */
static void *go_and_return(void *arg)
{
	bool *ok = arg;

	*ok = put_into(0, SCHED_IDLE) == 0 && put_into(0, SCHED_OTHER) == 0;
	return NULL;
}

void lend_init(struct lend *l)
{
	pthread_t probe;

	memset(l, 0, sizeof(*l));
	if (sched_getscheduler(0) != SCHED_OTHER ||
	    pthread_create(&probe, NULL, go_and_return, &l->allowed) != 0)
		return;
	pthread_join(probe, NULL);
}

static void pause_lending(struct lend *l)
{
	uint64_t now = clock_coarse();

	if (now - l->kept.until > LONG_AGO * l->kept.pause)
		l->kept.pause = 0;
	backoff_pause(&l->kept, now, PAUSE_MIN, PAUSE_MAX);
}

void lend_begin(struct lend *l, int tid)
{
	unsigned waited = atomic_load(&l->waited);

	if (!l->allowed || atomic_load(&l->tid) != 0)
		return;
	if (waited != l->seen) {
		l->seen = waited;
		pause_lending(l);
	}
	if (backoff_is_on(&l->kept, clock_coarse))
		return;
	atomic_store(&l->tid, tid);
	if (put_into(0, SCHED_IDLE) < 0) {
		atomic_store(&l->tid, 0);
		return;
	}
	/* A rescuer was here before we were: nobody would come again. */
	if (atomic_load(&l->tid) != tid) {
		put_into(0, SCHED_OTHER);
		return;
	}
	mine.l = l;
	mine.tid = tid;
}

void lend_end(struct lend *l, int tid)
{
	if (atomic_load(&l->tid) != tid)
		return;
	put_into(0, SCHED_OTHER);
	atomic_compare_exchange_strong(&l->tid, &tid, 0);
	mine.l = NULL;
}

void lend_take_back(void)
{
	if (mine.l)
		lend_end(mine.l, mine.tid);
	mine.l = NULL;
}

bool lend_is_lent(const struct lend *l, int tid)
{
	int lent = atomic_load(&l->tid);

	return lent != 0 && (tid == 0 || tid == lent);
}

bool lend_rescue(struct lend *l, bool waited)
{
	int tid = atomic_exchange(&l->tid, 0);

	if (tid == 0)
		return false;
	put_into(tid, SCHED_OTHER);
	if (waited)
		atomic_fetch_add(&l->waited, 1);
	return true;
}
