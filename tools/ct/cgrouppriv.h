/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGROUPPRIV_H
#define VEFS_TOOLS_CT_CGROUPPRIV_H

/* cgrouppriv - what the files behind cgroup.h share: where the groups are. */
#include "tools/ct/cgroup.h"
#include "tools/ct/hier.h"

#define CGROUPPRIV_TOP "vefs"
#define CGROUPPRIV_NAME 72 /* a container's id, with its end */

struct cgroup {
	struct hier_set hiers;
	char name[CGROUPPRIV_NAME];
	int dir[HIER_MAX]; /* vefs/NAME in each, O_PATH; -1: not there */
	int unified;	   /* the payload's, open for reading, or -1 */
};

/* Below vefs/NAME. */
static inline const char *cgrouppriv_part(enum cgroup_part part)
{
	return part == CGROUP_PAYLOAD ? "payload" : "daemon";
}

/*
 * v1's blkio does not add up what groups below do: there all processes are in
 * vefs/NAME itself, and it has no parts, unless other controllers that need
 * them are mounted with it.
 */
static inline bool cgrouppriv_is_flat(const struct cgroup *g, unsigned i)
{
	return g->hiers.n > 1 && g->hiers.h[i].version == 1 &&
	       g->hiers.h[i].controllers == 1u << HIER_IO;
}

/* The directory of a part below vefs/NAME: "payload", or "." */
static inline const char *cgrouppriv_dir(const struct cgroup *g, unsigned i,
					 enum cgroup_part part)
{
	return cgrouppriv_is_flat(g, i) ? "." : cgrouppriv_part(part);
}

#endif
