/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGUSAGE_H
#define VEFS_TOOLS_CT_CGUSAGE_H

/* cgusage - what a container uses of its limits. */
#include "tools/ct/cgrouppriv.h"

/* As cgroup_usage(). */
void cgusage_read(const struct cgroup *g, struct cgroup_usage *out);

#endif
