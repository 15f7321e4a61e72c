/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_PROCINTO_H
#define VEFS_TOOLS_PROCINTO_H

/*
 * procinto - virtual files over those of /proc and /sys of a container that
 * another runtime has made, in its mount namespace, where it runs or is about
 * to.
 */
#include "templates/why.h"
#include "tools/ct/procserve.h"

/*
 * Put them there; what is not there is left out. No symlink of the container
 * is followed, and only files of a procfs and of a sysfs are covered. -EINVAL:
 * its mounts are ours, or come to us too; -EBUSY: some are covered already;
 * then nothing is done. `pidfd` is of `pid`, its first process.
 */
int procinto_cover(struct procserve *p, pid_t pid, int pidfd, struct why *why);

/* Take them away, if it is still there. */
void procinto_uncover(int pidfd);

#endif
