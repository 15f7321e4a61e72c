/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_USUAL_H
#define VEFS_TOOLS_CT_USUAL_H

/*
 * usual - what a process has of who began it, and nobody sees: limits on its
 * resources, its priority, its umask ... A container has all of these as a
 * host's first process has them of the kernel and of systemd, whoever started
 * it and from wherever something is run in it.
 *
 *	limits		README.md has the table
 *	scheduling	SCHED_OTHER, nice 0, no I/O priority, all CPUs, 50 us
 *			of timer slack
 *	memory		oom_score_adj 0, which nobody inside can lower; no NUMA
 *			policy; coredump_filter 0x33
 *	else		umask 022, personality 0
 */
#include <sys/types.h>

#include "templates/why.h"

/*
 * The calling process, on its way into a container, while it is the host's
 * root. What is not allowed (its maker had less) is as near to it as can be.
 */
void usual_newborn(void);

/* Another one's oom_score_adj. 0, or -errno and why. */
int usual_risk(pid_t pid, struct why *why);

/*
 * For who makes and keeps containers: the same, but that it is never taken for
 * lack of memory, and that it has no limits: the kernel counts what all in a
 * user namespace have against those of its maker.
 */
void usual_monitor(void);

#endif
