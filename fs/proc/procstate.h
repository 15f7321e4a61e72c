/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCSTATE_H
#define VEFS_FS_PROC_PROCSTATE_H

/*
 * procstate - what a container's numbers need to remember, so that counters
 * go on and do not begin anew when another process serves them. Its owner has
 * it in memory that outlives the server (fs/base/shm.h), all zero at first;
 * what is not touched of it costs nothing. One process at a time uses it.
 */
#include <stdint.h>

#include "fs/proc/cpuacc.h"
#include "fs/proc/procload.h"

#define PROCSTATE_LAYOUT 2u
#define PROCSTATE_ROWS 32u

/* A beancounter, over all starts of its container. */
struct procstate_bean {
	uint64_t most;	 /* ever held */
	uint64_t before; /* failures up to this start */
	uint64_t failed; /* failures, those of this start too */
};

struct procstate {
	uint32_t layout;   /* 0: not yet used */
	uint64_t start;	   /* when the container began, CLOCK_BOOTTIME, ns */
	uint64_t last_pid; /* the highest seen */
	struct procstate_bean bean[PROCSTATE_ROWS];
	struct procload load;
	struct cpuacc cpu;
};

/* Begin, or go on. -ESTALE: it is of another layout. */
int procstate_begin(struct procstate *s);

#endif
