/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NETEND_H
#define VEFS_TOOLS_CT_NETEND_H

/* netend - a container's links on the host, found again. */
#include "templates/why.h"
#include "tools/ct/netmsg.h"
#include "tools/ct/rtnl.h"

/* What marks them, in their group (NETMSG_GROUP). */
void netend_alias(const char *name, char out[NETMSG_ALIAS]);

/* Remove all of container `name`'s; their routes and addresses go with them. */
int netend_drop(struct rtnl *r, const char *name, struct why *why);

#endif
