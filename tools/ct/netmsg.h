/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NETMSG_H
#define VEFS_TOOLS_CT_NETMSG_H

/*
 * netmsg - the requests a container's network is made of, each queued with its
 * inverse (see rtnl.h).
 *
 * What is taken away may be gone already: that is no error.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/ct/rtnl.h"
#include "tools/ct/spec.h"

/* "v": who made routes and proxies on the host, told from all others by it. */
#define NETMSG_PROTOCOL 118u

/* "vefs": the group of the host's ends, from their first moment on. */
#define NETMSG_GROUP 0x76656673u

#define NETMSG_ALIAS 64u

/* What there is to know of a link. */
struct netmsg_link {
	unsigned index; /* 0: there is none */
	unsigned mtu;
	unsigned master;
	unsigned group;
	bool loopback;
	char name[IFNAMSIZ];
	char kind[16];		  /* "veth", "bridge", "" */
	char alias[NETMSG_ALIAS]; /* as far as it fits */
	uint8_t mac[6];
	uint64_t received, sent; /* bytes, by itself, where asked for */
};

/* The link of an answer (RTM_NEWLINK); a rtnl_take, `arg` a netmsg_link. */
int netmsg_take_link(const struct nlmsghdr *h, void *arg);

/* Ask for a link by its name. What is not there leaves *out as it is. */
void netmsg_ask_link(struct rtnl *r, const char *name, bool count,
		     struct netmsg_link *out);
void netmsg_ask_index(struct rtnl *r, unsigned index, struct netmsg_link *out);

/* The request for all virtual ethernets, to be dumped. */
struct nlmsghdr *netmsg_veths(struct rtnl *r);

/* A pair, its other end in the namespace `ns`. Zero and NULL: as it comes. */
struct netmsg_pair {
	const char *host, *inside;
	const uint8_t *host_mac, *mac;
	unsigned mtu;
	unsigned master; /* that the host's end joins */
	int ns;
};
void netmsg_add_pair(struct rtnl *r, const struct netmsg_pair *p);
/* By its index, or by its name where that is 0; it does not come back. */
void netmsg_drop_link(struct rtnl *r, unsigned index, const char *name);

/* Both by name. They are not undone: new links go as they came. */
void netmsg_up(struct rtnl *r, const char *name);
void netmsg_alias(struct rtnl *r, const char *name, const char *alias);

/*
 * What holds for the host's end of routed addresses: packets are forwarded if
 * their source is routed back there, nothing else is believed.
 */
void netmsg_guard(struct rtnl *r, const char *name);

/* From one value to another. */
void netmsg_master(struct rtnl *r, const struct netmsg_link *link,
		   unsigned master);
void netmsg_mac(struct rtnl *r, const struct netmsg_link *link,
		const uint8_t mac[6]);

/*
 * `add` or take away; what is there already is as good. `scope` is RT_SCOPE_*;
 * IPv6 ones are not probed for.
 */
void netmsg_address(struct rtnl *r, bool add, unsigned index,
		    const struct spec_ip *ip, uint8_t scope);

/* To `to` (NULL: the default), by `via` (NULL: there is no gateway). */
struct netmsg_route {
	const struct spec_ip *to, *via;
	int family;
	unsigned index;
	uint8_t protocol;
	bool may_exist;
};
void netmsg_route(struct rtnl *r, bool add, const struct netmsg_route *route);

/* The request for ours of a family that lead to a link: rtnl_dump_some(). */
struct nlmsghdr *netmsg_routes(struct rtnl *r, int family, unsigned index);

/* That the host answers for `ip` on a link. */
void netmsg_proxy(struct rtnl *r, bool add, unsigned index,
		  const struct spec_ip *ip);
/* The request for all of those, to be dumped. */
struct nlmsghdr *netmsg_proxies(struct rtnl *r);

/* The route that would be taken, as it is in the table. No route: no answer. */
void netmsg_ask_route(struct rtnl *r, const struct spec_ip *ip, rtnl_take take,
		      void *arg);

#endif
