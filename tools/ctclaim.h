/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTCLAIM_H
#define VEFS_TOOLS_CTCLAIM_H

/*
 * ctclaim - a container has what its vefs.conf says is its own: ids on the host
 * (idrange.h), a name (ctname.h). They may be another's when its directory was
 * copied, moved, or put back after it was destroyed.
 */
#include "tools/container.h"

/*
 * Before it is mounted, by who has its lock: take the ids from `base` on (0: it
 * has none of its own) and its name where they are free. -EADDRINUSE: another
 * container has the ids, `why` says which and what to do. A name that is
 * another's is warned about. Or -errno.
 */
int ctclaim(struct catalog *c, const struct container *one, uint32_t base,
	    struct why *why);

#endif
