/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MONITORSTART_H
#define VEFS_TOOLS_MONITORSTART_H

/* monitorstart - the monitor makes a container, and takes it away. */
#include "tools/monitorpriv.h"

/* All of it; then it is `starting`. After an error nothing is left but its
 * groups. */
int monitorstart_begin(struct monitor *m, struct why *why);

/* Take away what is outside of it, but its groups; nothing of it runs any more,
 * and what serves its /proc is about to end. */
void monitorstart_clear(struct monitor *m);
/* Those too, in which the monitor is: it takes milliseconds. */
void monitorstart_ungroup(struct monitor *m);

#endif
