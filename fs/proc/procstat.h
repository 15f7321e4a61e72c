/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCSTAT_H
#define VEFS_FS_PROC_PROCSTAT_H

/*
 * procstat - what is said of time: /proc/stat, /proc/uptime, /proc/loadavg,
 * from the same clock and the same count of tasks.
 */
#include "fs/proc/procview.h"

procview_render procstat_render;
procview_render procstat_uptime;
procview_render procstat_loadavg;

#endif
