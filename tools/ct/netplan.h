/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NETPLAN_H
#define VEFS_TOOLS_CT_NETPLAN_H

/*
 * netplan - what a container's network is called on the host, and whether what
 * is wanted makes sense by itself. Nothing is asked of the kernel.
 *
 * Names: "ve" NAME is the host's end of venet0; "ve" NAME "." N that of an
 * interface without a name of its own for it, N being the number at the end of
 * its name inside (eth0: 0; none: 0). So a name does not depend on what else
 * there is, and stays when another one goes.
 */
#include <stdbool.h>

#include "templates/why.h"
#include "tools/ct/spec.h"

#define NETPLAN_NAME_MAX 11u /* bytes of NAME */
#define NETPLAN_ROUTED "venet0"

void netplan_routed_name(const char *name, char out[IFNAMSIZ]);
/* Of an interface that netplan_check() has seen. */
void netplan_host_name(const struct spec_netif *f, const char *name,
		       char out[IFNAMSIZ]);

/* Is an interface of the host called as container `name`'s are? */
bool netplan_is_name(const char *interface, const char *name);

/*
 * -EINVAL: a name, address or MAC that cannot be, or one given twice;
 * -ENAMETOOLONG: a name for the host's end becomes too long.
 */
int netplan_check(const struct spec_net *n, const char *name, struct why *why);

/* Is this address among those of `n`; the interface of this name, or NULL. */
bool netplan_has_ip(const struct spec_net *n, const struct spec_ip *ip);
const struct spec_netif *netplan_find(const struct spec_net *n,
				      const char *inside);
bool netplan_has_family(const struct spec_net *n, int family);

#endif
