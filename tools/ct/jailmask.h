/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_JAILMASK_H
#define VEFS_TOOLS_CT_JAILMASK_H

/*
 * jailmask - what of /proc and /sys is the host's own: hidden, or to be read
 * only.
 *
 * With a user namespace this is order, not a wall: its root may undo the
 * mounts, and then meets files of the host's root, which the kernel keeps from
 * it. Without one these mounts are the wall, and hold as long as CAP_SYS_ADMIN
 * is not given to the container.
 */
#include "templates/why.h"
#include "tools/ct/spec.h"

/*
 * Over the attached mounts `proc` and `sys`, with the `null` of the attached
 * `dev`. 0 or -errno.
 */
int jailmask_apply(const struct spec *s, int proc, int sys, int dev,
		   struct why *why);

#endif
