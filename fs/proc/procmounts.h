/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCMOUNTS_H
#define VEFS_FS_PROC_PROCMOUNTS_H

/*
 * procmounts - /proc/mounts as a container's programs are to see it: the
 * caller's own table, / as the disk that quotas are kept on, and none of the
 * files that were put over others.
 */
#include "fs/proc/procview.h"

procview_render procmounts_render;

#endif
