/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MONITORMAKE_H
#define VEFS_TOOLS_MONITORMAKE_H

/* monitormake - a monitor in the background, for `vefs start`. */
#include "tools/cmd.h"
#include "tools/container.h"
#include "tools/ct/cgroup.h"

/*
 * 0: the container runs. It is mounted, and locked by the caller. Its groups
 * are there, with who serves the mount in them if `daemons_in`, and go with the
 * monitor. What that and the start script say until then comes to our standard
 * output and error; who waits for their end is not kept waiting by it. A wish
 * (progress.h) ends it. -errno and why: it does not run, its monitor has ended, and taken the groups away if
 * it could.
 */
int monitormake(const struct container *one, const struct cmd_common *common,
		const struct cgroup *group, bool daemons_in, struct why *why);

#endif
