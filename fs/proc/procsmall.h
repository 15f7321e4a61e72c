/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCSMALL_H
#define VEFS_FS_PROC_PROCSMALL_H

/*
 * procsmall - the short files of /proc: cgroups, swaps, diskstats, partitions, vmstat,
 * devices, filesystems, cmdline; and of /sys/block those of the one disk.
 */
#include "fs/proc/procview.h"

#define PROCSMALL_DISK "simfs"

procview_render procsmall_cgroups;
procview_render procsmall_swaps;
procview_render procsmall_diskstats;
procview_render procsmall_partitions;
procview_render procsmall_vmstat;
procview_render procsmall_devices;
procview_render procsmall_filesystems;
procview_render procsmall_cmdline;
procview_render procsmall_disk_dev;
procview_render procsmall_disk_size;
procview_render procsmall_disk_stat;

/* As the kernel has it: v->host. */
procview_render procsmall_host;

#endif
