/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGBORN_H
#define VEFS_TOOLS_CT_CGBORN_H

/* cgborn - processes that are in a group of the unified hierarchy from their
 * first moment on, and out of it at their last. */
#include "tools/ct/cgrouppriv.h"

/* As the functions of cgroup.h by these names. */
pid_t cgborn_fork(const struct cgroup *g, int part, uint64_t flags);
int cgborn_leave(const struct cgroup *g, struct why *why);

#endif
