/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGTASK_H
#define VEFS_TOOLS_CT_CGTASK_H

/* cgtask - processes in a container's groups: brought, stopped, killed. */
#include "tools/ct/cgrouppriv.h"

/* As the functions of cgroup.h by these names. */
int cgtask_attach(const struct cgroup *g, enum cgroup_part part, pid_t pid,
		  struct why *why);
int cgtask_enter(const struct cgroup *g, enum cgroup_part part,
		 struct why *why);
int cgtask_freeze(const struct cgroup *g, bool frozen, struct why *why);
bool cgtask_is_frozen(const struct cgroup *g);
int cgtask_count(const struct cgroup *g, enum cgroup_part part);
int cgtask_kill(const struct cgroup *g, enum cgroup_part part, unsigned ms,
		struct why *why);

int cgtask_wait(const struct cgroup *g, enum cgroup_part part, unsigned ms);

/* Is the calling process in vefs/NAME of hierarchy `i`, or below? */
bool cgtask_is_inside(const struct cgroup *g, unsigned i);

/* What is in the part's own group goes to the topmost one of hierarchy `i`. */
int cgtask_expel(const struct cgroup *g, unsigned i, enum cgroup_part part);

/* Is any process in hierarchy `i`'s part, or below? 1, 0 or -errno. */
int cgtask_any(const struct cgroup *g, unsigned i, enum cgroup_part part);

#endif
