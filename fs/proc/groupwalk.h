/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_GROUPWALK_H
#define VEFS_FS_PROC_GROUPWALK_H

/* groupwalk - a control group and those below it, which a container makes. */

/* Below the first at `depth` levels. An error ends the walk. */
typedef int (*groupwalk_fn)(void *ctx, int dir, unsigned depth);

/*
 * Call `fn` with the group's directory `dir` and with each below it, the upper
 * one first; of a hostile number of them 1024, and 16 levels. What goes
 * meanwhile is left out. 0, the error of `fn`, or -errno of `dir` itself.
 */
int groupwalk(int dir, groupwalk_fn fn, void *ctx);

#endif
