/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCLOAD_H
#define VEFS_FS_PROC_PROCLOAD_H

/*
 * procload - a container's load averages: the kernel's own arithmetic, in
 * steps of five seconds, made up for when somebody asks. Nothing happens while
 * nobody does; what went on meanwhile is then told by the processor time that
 * was used.
 */
#include <stdint.h>

#define PROCLOAD_STEP 5000000000ull /* ns */
#define PROCLOAD_ONE (1ull << 20)   /* a load of 1 */

/* Lives in shared memory, all zero at first. */
struct procload {
	uint64_t at;	 /* the end of the last step, ns; 0: never sampled */
	uint64_t used;	 /* processor time then, ns */
	uint64_t active; /* tasks then, in PROCLOAD_ONE */
	uint64_t avg[3]; /* over 1, 5, 15 minutes, in PROCLOAD_ONE */
};

struct procload_sample {
	uint64_t at;	 /* now, ns */
	uint64_t start;	 /* when the container began */
	uint64_t used;	 /* processor time since, ns */
	uint64_t active; /* tasks that run or cannot be disturbed, now */
	uint64_t milli;	 /* processors it may use, in thousandths */
};

/* Is a step over? Only then is a sample worth taking. */
int procload_is_due(const struct procload *l, uint64_t at);

void procload_update(struct procload *l, const struct procload_sample *s);

#endif
