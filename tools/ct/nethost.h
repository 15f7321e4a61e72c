/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NETHOST_H
#define VEFS_TOOLS_CT_NETHOST_H

/*
 * nethost - how the host takes part in routed addresses: whether an address is
 * free, by which interfaces those are reached who will ask for it, that the
 * host answers them, and which of its settings this takes.
 */
#include <stddef.h>

#include "templates/why.h"
#include "tools/ct/netmsg.h"
#include "tools/ct/rtnl.h"
#include "tools/ct/spec.h"

#define NETHOST_WAYS 8u /* of one address: gateways of one route */

/* Where an address's neighbours are: interfaces by their index. */
struct nethost_way {
	struct spec_ip ip;
	unsigned index[NETHOST_WAYS];
	size_t n;
};

/*
 * Where each of `n` addresses belongs, into way[]: no interface when the host
 * has no route there. -EADDRINUSE: one is the host's own, or routed to one
 * machine already.
 */
int nethost_ways(struct rtnl *r, const struct spec_ip *ip, size_t n,
		 struct nethost_way *way, struct why *why);

/* The links of all ways: the smallest MTU; 0 where there is none. */
int nethost_mtu(struct rtnl *r, const struct nethost_way *way, size_t n,
		unsigned *mtu, struct why *why);

/* Queue what makes the host answer, but for what it does already. */
int nethost_answer(struct rtnl *r, const struct nethost_way *way, size_t n,
		   struct why *why);

/*
 * Add to the `*n` addresses of `*ip`, which was allocated or is NULL, those that
 * we have routed to the link `index`. After an error those found before it are
 * there too.
 */
int nethost_routed(struct rtnl *r, unsigned index, struct spec_ip **ip,
		   size_t *n, struct why *why);

/*
 * Take away our answers for `n` addresses, on whatever interface, but for an
 * address that is routed to someone (else) by now.
 */
int nethost_silence(struct rtnl *r, const struct spec_ip *ip, size_t n,
		    struct why *why);

/*
 * The settings of interfaces. What was changed is kept, for
 * nethost_settings_undo(); nethost_settings_free() it in every case.
 */
struct nethost_settings {
	struct nethost_setting {
		int family;
		char link[IFNAMSIZ];
		const char *key;
		char old[16];
	} * list;
	size_t n;
};

/* IPv4: forwarding; IPv6: proxy_ndp, on the interfaces of all ways. */
int nethost_settings_make(struct rtnl *r, const struct nethost_way *way,
			  size_t n, struct nethost_settings *s,
			  struct why *why);
void nethost_settings_undo(struct nethost_settings *s);
void nethost_settings_free(struct nethost_settings *s);

/*
 * A container's end is not asked how the host's own network is: no router
 * advertisements from it. A host without IPv6 has nothing to be told.
 */
int nethost_distrust(const char *link, struct why *why);

/* Does the host forward IPv6? */
bool nethost_forwards_ipv6(void);

#endif
