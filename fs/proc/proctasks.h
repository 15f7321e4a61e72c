/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCTASKS_H
#define VEFS_FS_PROC_PROCTASKS_H

/*
 * proctasks - how many tasks of a group run, wait for what cannot be
 * interrupted, or for a disk: by the kernel's own count of a v1 group (one
 * call, whatever their number is), else by looking at each of a v2 group's.
 */
#include <stdint.h>

struct proctasks {
	uint64_t running;
	uint64_t waiting; /* not to be interrupted */
	uint64_t disk;	  /* of these, waiting for a disk, as far as known */
};

struct proctasks_counter;

/* -errno: there is no way to count on this kernel. */
int proctasks_open(struct proctasks_counter **out);
void proctasks_close(struct proctasks_counter *c);

/*
 * Count the tasks of a group's directory and of all below it. `v2`: of which
 * kind it is; `proc`: the host's /proc, for v2. 0, or -errno with *out as it
 * was.
 */
int proctasks_count(struct proctasks_counter *c, int dir, int v2, int proc,
		    struct proctasks *out);

/* The state letter and the start, in ticks, of a /proc/PID/stat text; the
 * name may have any characters. 0 or -EINVAL. */
int proctasks_parse(const char *stat, char *state, uint64_t *start);

#endif
