/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_BOOTWAIT_H
#define VEFS_TOOLS_BOOTWAIT_H

/* bootwait - until a container has booted. */
#include "tools/ctwork.h"

#define BOOTWAIT_SECONDS 120u

/*
 * With systemd: until it has started all it is to start, well or not; with
 * others: until a runlevel is reached; else not at all. -ETIMEDOUT after
 * `seconds`, -ESRCH when it ends meanwhile, with a sentence in w->why.
 */
int bootwait(struct ctwork *w, unsigned seconds);

#endif
