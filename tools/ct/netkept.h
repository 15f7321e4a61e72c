/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NETKEPT_H
#define VEFS_TOOLS_CT_NETKEPT_H

/* netkept - interfaces that a running container keeps, and that change. */
#include "templates/why.h"
#include "tools/ct/netmsg.h"
#include "tools/ct/rtnl.h"
#include "tools/ct/spec.h"

struct netkept {
	const struct spec_netif *was, *is; /* of the same names */
	unsigned bridge;		   /* index of is->bridge, or 0 */
};

/*
 * Make each what it is to be: its bridge and MACs. A MAC that is not given any
 * more stays. -ENODEV: the host's end is gone; or what the kernel says. What
 * was done before an error is undone with the sockets (rtnl_rollback()).
 */
int netkept_change(struct rtnl *host, struct rtnl *inside, const char *name,
		   const struct netkept *kept, size_t n, struct why *why);

#endif
