/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGTREE_H
#define VEFS_TOOLS_CT_CGTREE_H

/* cgtree - a container's directories in the hierarchies: made and removed. */
#include "tools/ct/cgrouppriv.h"

/*
 * Open vefs/NAME in hierarchy `i`, with `make` made before where it is not.
 * On an error what this call made is gone again. `made` is set when vefs/NAME
 * is new. -ENOENT without `make`.
 */
int cgtree_open(struct cgroup *g, unsigned i, bool make, bool *made,
		struct why *why);

/* Give the payload's group in hierarchy `i` to a user; 0: to the host. */
int cgtree_give(struct cgroup *g, unsigned i, uint32_t owner, struct why *why);

/*
 * Remove it all from hierarchy `i`: groups that the container made, the
 * deepest first, then ours, then vefs if it is empty. -EBUSY: processes in
 * there. What was not there before is no error.
 */
int cgtree_remove(struct cgroup *g, unsigned i);

/*
 * Call `found` for each process in `dir` and all groups below: 0 goes on, else
 * that is returned. Groups deeper than CGTREE_DEPTH are passed over.
 */
#define CGTREE_DEPTH 40
int cgtree_each(int dir, int (*found)(pid_t pid, void *arg), void *arg);

#endif
