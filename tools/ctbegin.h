/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTBEGIN_H
#define VEFS_TOOLS_CTBEGIN_H

/*
 * ctbegin - what there is of a container before it has a monitor: its groups,
 * and its mount. To move live processes between groups costs milliseconds: who
 * serves the mount is born in them, and so is the monitor (cgroup_fork()).
 */
#include "tools/ctwork.h"

/*
 * The container is locked, down, and has no groups. An exit code, told; after
 * an error nothing is left. *group is the caller's, for its monitor; *mounted
 * says whether this has mounted it, else it was already.
 */
int ctbegin(struct ctwork *w, const struct cmd_common *common,
	    struct cgroup **group, bool *mounted);

#endif
