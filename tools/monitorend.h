/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MONITOREND_H
#define VEFS_TOOLS_MONITOREND_H

/*
 * monitorend - the last that a monitor does: its groups go, which it is in, and
 * who waited is answered. Where to leave them costs a wait a process that is in
 * none of them does that, a child of the monitor's parent, once the monitor has
 * ended: all descriptors that the monitor has are open until then.
 */
#include "tools/monitorpriv.h"

/*
 * `down`: it is unmounted, and who served it is about to end; else they are
 * moved out of its groups. The caller has nothing to do any more.
 */
void monitorend(struct monitor *m, bool down, const char *answer);

#endif
