/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_CPUACC_H
#define VEFS_FS_PROC_CPUACC_H

/*
 * cpuacc - the times of a container's processors, out of what its group used
 * altogether. They only grow: whatever limits change, whichever process does
 * the counting, and when a group's counters begin anew.
 *
 * A container has processors 0 to n-1, as many as it may use at once. What it
 * used is theirs by halves where nobody can say which of them it was. What
 * they did not use is idle, or stolen while the group was throttled.
 */
#include <stdbool.h>
#include <stdint.h>

#define CPUACC_MAX 4096u

enum cpuacc_time {
	CPUACC_USER,
	CPUACC_NICE,
	CPUACC_SYSTEM,
	CPUACC_IDLE,
	CPUACC_STEAL,
	CPUACC_TIMES
};

/* One processor's, ns. */
struct cpuacc_cpu {
	uint64_t time[CPUACC_TIMES];
	uint64_t alive; /* how long there has been this processor */
};

/* What a group's counters say, ns. */
struct cpuacc_used {
	uint64_t user, nice, system;
};

/* Lives in shared memory, all zero at first. */
struct cpuacc {
	struct cpuacc_bank {
		uint64_t at;	 /* 0: never updated */
		uint32_t n;	 /* processors now */
		uint32_t most;	 /* there ever were */
		uint32_t n_real; /* host processors in `real` */
		uint64_t throttled, exact;
		struct cpuacc_used used;
		uint64_t real[CPUACC_MAX][2]; /* by host processor */
		struct cpuacc_cpu cpu[CPUACC_MAX];
	} bank[2];
	_Atomic uint32_t current;
};

struct cpuacc_sample {
	uint64_t at;	/* now, ns, any clock that counts sleep too */
	uint64_t start; /* when the container began, by that clock */
	uint32_t n;	/* its processors, 1.. */
	struct cpuacc_used used;
	/*
	 * All of it, where that is known better: `used` then says only what
	 * kind it was. 0: it is not.
	 */
	uint64_t exact;
	uint64_t throttled;
	/*
	 * User and system by host processor, where the container's processors
	 * are host processors, id[0..n-1]; NULL where they are not.
	 */
	const uint64_t (*real)[2];
	uint32_t n_real; /* how many of them there are */
	const uint32_t *id;
};

/* Take note. Being killed in the middle has done nothing. */
void cpuacc_update(struct cpuacc *a, const struct cpuacc_sample *s);

/* The processors as of the last update; valid until the next. *n: how many. */
const struct cpuacc_cpu *cpuacc_cpus(const struct cpuacc *a, uint32_t *n);

/* The sum of all that there ever were. */
void cpuacc_total(const struct cpuacc *a, struct cpuacc_cpu *out);

#endif
