/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_GROUPPIDS_H
#define VEFS_FS_PROC_GROUPPIDS_H

/* grouppids - the processes of a group and of all below it. */
#include <stdbool.h>
#include <stdint.h>

#define GROUPPIDS_MAX 65536u

struct grouppids {
	uint32_t *pid; /* ascending, each once; as we see them; owned */
	unsigned n;
};

/*
 * Those in the group's directory `dir`, of either version, at most
 * GROUPPIDS_MAX. What ends or goes meanwhile is in it or not. 0, or -errno and
 * nothing to be freed.
 */
int grouppids_read(int dir, struct grouppids *out);
void grouppids_free(struct grouppids *p);

bool grouppids_has(const struct grouppids *p, uint64_t pid);

/* The pure part: take the ids of a cgroup.procs; 0 or -ENOMEM. */
int grouppids_take(struct grouppids *p, const char *text);
void grouppids_sort(struct grouppids *p);

#endif
