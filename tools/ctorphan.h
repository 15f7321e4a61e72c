/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTORPHAN_H
#define VEFS_TOOLS_CTORPHAN_H

/*
 * ctorphan - what a monitor that was killed has left. The container is locked,
 * and there is no monitor.
 */
#include "tools/ctwork.h"

/*
 * Kill what runs, take the groups and the network away. A line of vefs.conf that
 * is wrong is not told, the start beside it does.
 */
void ctorphan_clear(struct ctwork *w, const char *store);

/* The same, and unmount it; such a line is told. 0, or -errno and w->why. */
int ctorphan_stop(struct ctwork *w, const char *store);

#endif
