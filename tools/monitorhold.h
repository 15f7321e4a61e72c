/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MONITORHOLD_H
#define VEFS_TOOLS_MONITORHOLD_H

/* monitorhold - what the monitor does while the container runs: hold it. */
#include "tools/monitorpriv.h"

/*
 * Have an attendant, and another one when that dies, until the first process
 * has ended and been waited for: m->status.
 */
void monitorhold(struct monitor *m);

#endif
