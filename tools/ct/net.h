/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NET_H
#define VEFS_TOOLS_CT_NET_H

/*
 * net - a container's network, made from the host by netlink.
 *
 * Routed addresses (ip) are on venet0: a veth whose other end, veNAME on the
 * host, has a host route to each; the host answers ARP and neighbour requests
 * for them on the interfaces through which it reaches the rest. A prefix makes
 * no difference: each is an address of its own. Interfaces (netif) are veth
 * pairs, the host's end in a bridge if one is named; what is on them inside is
 * the container's own affair. tools/ct/README.md tells what the host needs.
 *
 * All that is on the host is found again: its links by group, name and alias
 * (netmsg.h), routes go with their links, answers by their protocol. Nothing
 * is kept in memory, and net_down() after a crash takes everything away.
 *
 * The calling thread enters `ns` for a moment and comes back, in net_up() and
 * net_change(): not while another one starts threads or processes that should
 * have its network. It is in the host's own network, with the host's /proc.
 *
 * Errors come as -errno with a sentence in `why`.
 */
#include <stdint.h>

#include "templates/why.h"
#include "tools/ct/spec.h"

/*
 * Make all of it for the network namespace `ns` (a descriptor), lo included;
 * nothing for SPEC_NET_HOST. `name` tells containers apart on this host: at
 * most 11 bytes of [a-z0-9] (netplan.h has the names it makes). After an error
 * nothing is there. -EADDRINUSE: an address is another's; -EEXIST: an
 * interface's name is; -ENODEV: no such bridge; -EINVAL, -ENAMETOOLONG: the
 * plan is wrong, see netplan_check().
 */
int net_up(const struct spec_net *n, const char *name, int ns, struct why *why);

/*
 * Take away what is on the host, whether the container is alive or gone. What
 * is not there any more is no error; neither is what `n` does not know of: an
 * address that was added since is found by its route, as long as that is there.
 * When the container has taken its routes along, only those of `n` are known.
 */
int net_down(const struct spec_net *n, const char *name, struct why *why);

/*
 * From the one to the other while it runs; on an error as before. An interface
 * is known by its name inside: MACs and bridge change in place; -EBUSY: its
 * name on the host does not, nor the mode.
 */
int net_change(const struct spec_net *from, const struct spec_net *to,
	       const char *name, int ns, struct why *why);

/* Bytes, as the container counts them; 0 where there is none. */
struct net_usage {
	uint64_t received, sent;
};
void net_usage(const struct spec_net *n, const char *name,
	       struct net_usage *out);

/*
 * Something of this host that keeps `n` from being reached and that is its
 * administrator's to decide: a sentence in `out`, and true.
 */
bool net_advice(const struct spec_net *n, struct why *out);

#endif
