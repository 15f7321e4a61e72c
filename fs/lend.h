/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_LEND_H
#define VEFS_FS_LEND_H

/*
 * lend - who answers leaves its processor to whom it answered.
 *
 * A scheduler puts a thread that is woken on an idle processor rather than on
 * the one of its waker, who still runs, if only for a microsecond. To get it
 * going there takes an interrupt, in a virtual machine tens of microseconds,
 * and the next request takes the same way back. A waker of the class
 * SCHED_IDLE does not count: whom it wakes goes on where it slept, at once.
 *
 * The price: in that class a thread runs only when nothing else wants its
 * processor. So a thread is in it only from one request to the next, and does
 * not sleep in it for long; one of the ordinary class must look after it
 * (lend_rescue); and where others had to wait it is left alone for a while.
 *
 * One `struct lend` belongs to threads of which one at a time lends. Only
 * lend_rescue() may be called by others.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fs/base/backoff.h"

struct lend {
	_Atomic int tid;	 /* who is in the idle class; 0: nobody */
	_Atomic unsigned waited; /* rescues while somebody waited */
	bool allowed;		 /* the way back is open, too */
	unsigned seen;		 /* of `waited` */
	struct backoff kept;	 /* it was rather not lent, ns */
};

/*
 * Without CAP_SYS_NICE (or RLIMIT_NICE) nobody leaves the idle class again, and
 * a thread of another class than SCHED_OTHER was put there by somebody: never
 * lent then.
 */
void lend_init(struct lend *l);

/* The calling thread, `tid`, is going to answer. */
void lend_begin(struct lend *l, int tid);

/* It is going to sleep, or to answer what is known to take long. */
void lend_end(struct lend *l, int tid);

/*
 * The calling thread, if it is in the idle class, begins something long: what
 * it waits for (the disk's own threads, say) would keep it from going on.
 */
void lend_take_back(void);

/* Is it, or anybody (`tid` 0), in the idle class? */
bool lend_is_lent(const struct lend *l, int tid);

/*
 * A thread in the idle class has not moved for a while: it is one of the
 * ordinary class again. False: nobody is in it. `waited`: somebody else has
 * waited for it.
 */
bool lend_rescue(struct lend *l, bool waited);

#endif
