/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_ATTENDANT_H
#define VEFS_TOOLS_ATTENDANT_H

/*
 * attendant - the monitor's child that works while it holds: takes what comes
 * on the console, answers who asks (monitor.h), runs what belongs to the
 * container's beginning and end. One that is killed is replaced by the next,
 * which goes on where it was.
 */
#include "tools/monitorpriv.h"

/*
 * Be one, with what the monitor had when it made us; ends the process: with
 * status 0 when the first process has ended and all that it said is shown.
 */
_Noreturn void attendant_run(struct monitor *m);

#endif
