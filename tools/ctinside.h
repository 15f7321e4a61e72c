/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTINSIDE_H
#define VEFS_TOOLS_CTINSIDE_H

/* ctinside - those scripts of ctscript.h that the container's shell reads. */
#include <stdbool.h>

#include "tools/ct/attach.h"

/*
 * Run the one of `when`, if there is one: 0, or -errno and why. What is asked
 * of the plan is who and where. It gets a copy of the file and no file of ours.
 * As long as the container likes; the caller does nothing else.
 */
int ctinside_script(const char *store, const struct attach_plan *where,
		    const char *when, struct why *why);

/* Is there one? */
bool ctinside_is_there(const char *store, const struct attach_plan *where,
		       const char *when);

#endif
