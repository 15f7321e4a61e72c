/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_CPUINFO_H
#define VEFS_FS_PROC_CPUINFO_H

/*
 * cpuinfo - the processors: /proc/cpuinfo and /sys/devices/system/cpu. A
 * container's are 0 to n-1, each by what the host says of one of its own that
 * the container may use.
 */
#include "fs/proc/procview.h"

procview_render cpuinfo_render;

/* online, possible, present: "0-1"; offline: nothing. */
procview_render cpuinfo_range;
procview_render cpuinfo_none;

/* cpuN/online; cpuN/topology/core_id and physical_package_id; core_siblings,
 * thread_siblings and their lists: each processor is a core, all of one
 * package. */
procview_render cpuinfo_one;
procview_render cpuinfo_zero;
procview_render cpuinfo_core;
procview_render cpuinfo_self_list;
procview_render cpuinfo_self_mask;
procview_render cpuinfo_all_mask;
procview_render cpuinfo_kernel_max;

#endif
