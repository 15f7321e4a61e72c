/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGIO_H
#define VEFS_TOOLS_CT_CGIO_H

/* cgio - a container's share of the disks, and its limits on them. */
#include "tools/ct/cgchange.h"

/*
 * SPEC_IOPRIO, SPEC_IOLIMIT and SPEC_IOPSLIMIT of `c`, the last two on each
 * disk there is now. One that comes later has no limit before the next time.
 */
int cgio_set(struct cgchange *c);

/* No limits on disks any more, for a container that has ended. 0 or -errno. */
int cgio_lift(const struct cgroup *g);

/*
 * The weight of a priority, 0 to 7 (more is 7), of which 4 has `usual`: as
 * OpenVZ weighs them, 0 to 4 to 7 is 0.64 to 1 to 1.28.
 */
unsigned cgio_weight(uint64_t priority, unsigned usual);

#endif
