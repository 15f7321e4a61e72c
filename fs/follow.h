/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FOLLOW_H
#define VEFS_FS_FOLLOW_H

/*
 * follow - a thread that answers stays on the processor of who asks.
 *
 * One that asks sleeps until it has its answer, so the two never run at once.
 * On one processor the change from the one to the other costs a microsecond or
 * two; waking somebody on another one, in a virtual machine, ten to forty.
 * So the thread is bound to the processor of who asks, until somebody else
 * does, or nobody for long. If those who ask do not stay where they are it is
 * given up for a while, longer each time.
 *
 * One `struct follow` belongs to one thread.
 */
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/base/backoff.h"

#define FOLLOW_ROW 8

struct follow {
	uint32_t caller;     /* who asked last, a thread id; 0: nobody yet */
	int fd;		     /* its stat file, or -1 */
	unsigned asked;	     /* requests of `caller` since the last look */
	unsigned row;	     /* how many in a row, FOLLOW_ROW at most */
	unsigned counted;    /* requests, for `others` */
	unsigned others;     /* of them came from another than the one before */
	unsigned apart;	     /* looks in a row that found it elsewhere */
	bool together;	     /* at the last look, or since we moved */
	bool shared;	     /* several ask in turns */
	struct backoff away; /* looks that were in vain, ns */
	cpu_set_t all;	     /* where it may be, when nobody is followed */
};

/* Of the calling thread. */
void follow_begin(struct follow *f);

/*
 * The thread `caller` of our process namespace (0: nobody waits) asked for
 * something and waits for the answer: look now and then where it is, and go
 * there.
 */
void follow_request(struct follow *f, uint32_t caller);

/* Leave it, for now: go wherever the scheduler likes. */
void follow_part(struct follow *f);

/* Is the calling thread, as far as it knows, where its caller is? */
static inline bool follow_together(const struct follow *f)
{
	return f->together;
}

/* Has nobody else asked lately? */
static inline bool follow_row(const struct follow *f)
{
	return f->row == FOLLOW_ROW;
}

/* Both. */
static inline bool follow_alone(const struct follow *f)
{
	return f->together && follow_row(f);
}

/* Do several ask in turns, so that nobody's processor is the right one? */
static inline bool follow_shared(const struct follow *f)
{
	return f->shared;
}

void follow_end(struct follow *f);

#endif
