/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_MEMINFO_H
#define VEFS_FS_PROC_MEMINFO_H

/*
 * meminfo - /proc/meminfo: the rows that the host's kernel has, each with the
 * container's number, 0 for what no group counts; never the host's, but for
 * sizes that are the machine's make.
 */
#include "fs/proc/procview.h"

procview_render meminfo_render;

/* What MemFree and MemAvailable say; also for sysinfo(2). */
uint64_t meminfo_free(const struct numbers *n);
uint64_t meminfo_available(const struct numbers *n);
uint64_t meminfo_swap_free(const struct numbers *n);

#endif
