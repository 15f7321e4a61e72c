/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTQUOTA_H
#define VEFS_TOOLS_CTQUOTA_H

/* ctquota - the quota of a container, for commands that are not about it. */
#include "quota/limit.h"
#include "tools/conf.h"
#include "tools/container.h"

/*
 * Bring the quota of a mounted container from what some lines say (quotaconf.h)
 * to what others do: what differs between them is set. 0, or -errno with the
 * reason, and nothing has changed.
 */
int ctquota_change(const struct container *one, const struct conf *from,
		   const struct conf *to, struct why *why);

/* Usage and limits of a container; one that is not mounted is locked. -ENODATA:
 * it has no quota. -errno. */
int ctquota_look(const struct container *one, struct limit_rec *out);

/* Limits of these have been set: warn where usage is above one. */
void ctquota_warn_above(const struct container *one, bool space, bool inodes);

#endif
