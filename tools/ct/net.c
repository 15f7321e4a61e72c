/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything is a change from one plan to another; a container that comes up
 * had an empty one. A change adds first and takes away last: until then each
 * request has its inverse, and an error undoes what was done, inside and then
 * on the host. Links go at the very end, for they would not come back with
 * what the container has put on them.
 *
 * A route is there before the host answers for its address, and is gone before
 * the host stops: so an answer without a route is nobody's, and an address
 * that is taken over meanwhile keeps its answers.
 */
#include "tools/ct/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fs/base/cleanup.h"
#include "tools/ct/netend.h"
#include "tools/ct/nethost.h"
#include "tools/ct/netip.h"
#include "tools/ct/netkept.h"
#include "tools/ct/netmsg.h"
#include "tools/ct/netplan.h"
#include "tools/ct/rtnl.h"

/* The host's end as the container sees it: its way to everywhere. */
static const struct gateway {
	struct spec_ip ip;
	uint8_t scope; /* on the host: no source of its packets */
	bool route;    /* is there no way to it without one? */
} gateways[] = {
	{ { AF_INET, { 169, 254, 0, 1 }, 32 }, RT_SCOPE_HOST, true },
	{ { AF_INET6, { 0xfe, 0x80, [15] = 1 }, 64 }, RT_SCOPE_LINK, false },
};

struct job {
	const struct spec_net *from, *to;
	const char *name;
	int ns;
	struct why *why;
	bool fresh; /* nothing is up yet */
	struct rtnl *host, *inside;
	char routed[IFNAMSIZ], alias[NETMSG_ALIAS];
	unsigned host_index, inside_index; /* of venet0's ends */
	struct netmsg_link *bridge;	   /* of each to->netif */
	struct nethost_way *way;	   /* of the addresses to be added */
	size_t n_way;
	struct nethost_settings settings;
};

static void job_free(struct job *j)
{
	rtnl_free(j->host);
	rtnl_free(j->inside);
	free(j->bridge);
	free(j->way);
	nethost_settings_free(&j->settings);
}

static bool is_new(const struct job *j, const struct spec_netif *f)
{
	return !netplan_find(j->from, f->name);
}

static bool begins_routed(const struct job *j)
{
	return j->to->n_ip && !j->from->n_ip;
}

static struct spec_ip alone(const struct spec_ip *ip)
{
	struct spec_ip one = *ip;

	one.prefix = (uint8_t)netip_bits(ip->family);
	return one;
}

/* ---- what there is -------------------------------------------------------- */

static int check_kept(struct job *j)
{
	char was[IFNAMSIZ], is[IFNAMSIZ];

	for (size_t i = 0; i < j->to->n_netif; i++) {
		const struct spec_netif *f = &j->to->netif[i];
		const struct spec_netif *old = netplan_find(j->from, f->name);

		if (!old)
			continue;
		netplan_host_name(old, j->name, was);
		netplan_host_name(f, j->name, is);
		if (strcmp(was, is) != 0)
			return why_set(j->why, -EBUSY,
				       "interface %s: its name on the host "
				       "stays %s while the container runs",
				       f->name, was);
	}
	return 0;
}

static int ask_bridges(struct job *j)
{
	int r;

	j->bridge = calloc(j->to->n_netif + 1, sizeof(*j->bridge));
	if (!j->bridge)
		return -ENOMEM;
	for (size_t i = 0; i < j->to->n_netif; i++)
		if (j->to->netif[i].bridge[0])
			netmsg_ask_link(j->host, j->to->netif[i].bridge, false,
					&j->bridge[i]);
	r = rtnl_run(j->host, j->why);
	for (size_t i = 0; r == 0 && i < j->to->n_netif; i++) {
		const char *bridge = j->to->netif[i].bridge;

		if (*bridge && !j->bridge[i].index)
			r = why_set(j->why, -ENODEV,
				    "interface %s: there is no bridge %s",
				    j->to->netif[i].name, bridge);
		else if (*bridge && strcmp(j->bridge[i].kind, "bridge") != 0)
			r = why_set(j->why, -ENODEV,
				    "interface %s: %s is no bridge",
				    j->to->netif[i].name, bridge);
	}
	return r;
}

static int ask_ways(struct job *j)
{
	_cleanup_free_ struct spec_ip *ip =
		calloc(j->to->n_ip + 1, sizeof(*ip));
	size_t n = 0;

	j->way = calloc(j->to->n_ip + 1, sizeof(*j->way));
	if (!ip || !j->way)
		return -ENOMEM;
	for (size_t i = 0; i < j->to->n_ip; i++)
		if (!netplan_has_ip(j->from, &j->to->ip[i]))
			ip[n++] = alone(&j->to->ip[i]);
	j->n_way = n;
	return nethost_ways(j->host, ip, n, j->way, j->why);
}

/* ---- links ---------------------------------------------------------------- */

static int add_routed_pair(struct job *j)
{
	struct netmsg_pair p = { .host = j->routed,
				 .inside = NETPLAN_ROUTED,
				 .ns = j->ns };
	int r = nethost_mtu(j->host, j->way, j->n_way, &p.mtu, j->why);

	if (r == 0)
		netmsg_add_pair(j->host, &p);
	return r;
}

/* A bridge takes the lowest MAC of its ports for its own: never one of ours. */
static const uint8_t *high_mac(uint8_t mac[6])
{
	if (getrandom(mac, 6, GRND_NONBLOCK) != 6)
		return NULL;
	mac[0] = 0xfe;
	return mac;
}

static void add_netif_pair(struct job *j, size_t i)
{
	const struct spec_netif *f = &j->to->netif[i];
	struct netmsg_pair p = {
		.inside = f->name,
		.mac = f->has_mac ? f->mac : NULL,
		.host_mac = f->has_host_mac ? f->host_mac : NULL,
		.mtu = j->bridge[i].mtu,
		.master = j->bridge[i].index,
		.ns = j->ns,
	};
	char host[IFNAMSIZ];
	uint8_t mac[6];

	netplan_host_name(f, j->name, host);
	p.host = host;
	if (p.master && !p.host_mac)
		p.host_mac = high_mac(mac);
	netmsg_add_pair(j->host, &p);
}

static int distrust_ends(struct job *j)
{
	int r = begins_routed(j) ? nethost_distrust(j->routed, j->why) : 0;
	char host[IFNAMSIZ];

	for (size_t i = 0; r == 0 && i < j->to->n_netif; i++) {
		if (!is_new(j, &j->to->netif[i]))
			continue;
		netplan_host_name(&j->to->netif[i], j->name, host);
		r = nethost_distrust(host, j->why);
	}
	return r;
}

static int add_links(struct job *j)
{
	int r = begins_routed(j) ? add_routed_pair(j) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < j->to->n_netif; i++)
		if (is_new(j, &j->to->netif[i]))
			add_netif_pair(j, i);
	r = rtnl_run(j->host, j->why);
	return r < 0 ? r : distrust_ends(j);
}

/* Both ends of all new links are up, and the indices of venet0's are known. */
static int raise_links(struct job *j)
{
	struct netmsg_link host = { 0 }, inside = { 0 };
	char name[IFNAMSIZ];
	int r;

	if (j->fresh)
		netmsg_up(j->inside, "lo");
	if (begins_routed(j)) {
		netmsg_alias(j->host, j->routed, j->alias);
		netmsg_guard(j->host, j->routed);
		netmsg_up(j->host, j->routed);
		netmsg_up(j->inside, NETPLAN_ROUTED);
	}
	for (size_t i = 0; i < j->to->n_netif; i++) {
		const struct spec_netif *f = &j->to->netif[i];

		if (!is_new(j, f))
			continue;
		netplan_host_name(f, j->name, name);
		netmsg_alias(j->host, name, j->alias);
		netmsg_up(j->host, name);
		netmsg_up(j->inside, f->name);
	}
	if (j->to->n_ip) {
		netmsg_ask_link(j->host, j->routed, false, &host);
		netmsg_ask_link(j->inside, NETPLAN_ROUTED, false, &inside);
	}
	r = rtnl_run(j->host, j->why);
	if (r == 0)
		r = rtnl_run(j->inside, j->why);
	if (r < 0)
		return r;
	if (j->to->n_ip && (!host.index || !inside.index))
		return why_set(j->why, -ENODEV,
			       "%s is not there any more: restart the "
			       "container to get it again",
			       host.index ? NETPLAN_ROUTED : j->routed);
	j->host_index = host.index;
	j->inside_index = inside.index;
	return 0;
}

static int change_kept(struct job *j)
{
	_cleanup_free_ struct netkept *kept =
		calloc(j->to->n_netif + 1, sizeof(*kept));
	size_t n = 0;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < j->to->n_netif; i++) {
		const struct spec_netif *is = &j->to->netif[i];
		const struct spec_netif *was = netplan_find(j->from, is->name);

		if (!was)
			continue;
		kept[n].was = was;
		kept[n].is = is;
		kept[n++].bridge = j->bridge[i].index;
	}
	return netkept_change(j->host, j->inside, j->name, kept, n, j->why);
}

/* ---- addresses ------------------------------------------------------------ */

static void set_address(struct job *j, bool add, const struct spec_ip *ip)
{
	struct spec_ip one = alone(ip);
	struct netmsg_route route = {
		.to = &one,
		.family = one.family,
		.index = j->host_index,
		.protocol = NETMSG_PROTOCOL,
	};

	netmsg_route(j->host, add, &route);
	netmsg_address(j->inside, add, j->inside_index, &one,
		       RT_SCOPE_UNIVERSE);
}

static void set_routes(struct job *j, bool add, const struct gateway *g)
{
	struct netmsg_route via = {
		.via = &g->ip,
		.family = g->ip.family,
		.index = j->inside_index,
		.protocol = RTPROT_STATIC,
		.may_exist = true,
	};
	struct netmsg_route to = via;

	to.to = &g->ip;
	to.via = NULL;
	if (g->route && add)
		netmsg_route(j->inside, add, &to);
	netmsg_route(j->inside, add, &via);
	if (g->route && !add)
		netmsg_route(j->inside, add, &to);
}

/* For the first address of a family, or with its last one. */
static void set_gateways(struct job *j, bool add, bool inside)
{
	const struct spec_net *with = add ? j->to : j->from;
	const struct spec_net *without = add ? j->from : j->to;

	for (size_t i = 0; i < ARRAY_SIZE(gateways); i++) {
		const struct gateway *g = &gateways[i];

		if (!netplan_has_family(with, g->ip.family) ||
		    netplan_has_family(without, g->ip.family))
			continue;
		if (inside)
			set_routes(j, add, g);
		else
			netmsg_address(j->host, add, j->host_index, &g->ip,
				       g->scope);
	}
}

static void set_addresses(struct job *j, bool add)
{
	const struct spec_net *with = add ? j->to : j->from;
	const struct spec_net *without = add ? j->from : j->to;

	for (size_t i = 0; i < with->n_ip; i++)
		if (!netplan_has_ip(without, &with->ip[i]))
			set_address(j, add, &with->ip[i]);
}

/*
 * A link's last IPv4 address takes all routes with it, which nothing would
 * undo: on both ends it is the first to come and the last to go. Without any
 * address left venet0 goes as a whole.
 */
static int change_addresses(struct job *j)
{
	int r;

	if (!j->to->n_ip)
		return 0;
	set_gateways(j, true, false);
	set_addresses(j, true);
	set_gateways(j, true, true);
	set_gateways(j, false, true);
	set_addresses(j, false);
	set_gateways(j, false, false);
	r = rtnl_run(j->host, j->why);
	return r < 0 ? r : rtnl_run(j->inside, j->why);
}

static int change_host(struct job *j)
{
	int r = nethost_answer(j->host, j->way, j->n_way, j->why);

	if (r == 0)
		r = rtnl_run(j->host, j->why);
	if (r < 0 || !j->n_way)
		return r;
	return nethost_settings_make(j->host, j->way, j->n_way, &j->settings,
				     j->why);
}

/* ---- the change ----------------------------------------------------------- */

static int open_job(struct job *j)
{
	int r = rtnl_open(&j->host);

	if (r < 0)
		return why_sys(j->why, r, "asking for a netlink socket");
	r = rtnl_open_in(j->ns, &j->inside);
	return r < 0 ? why_sys(j->why, r, "entering the container's network")
		     : 0;
}

/* What is not wanted any more and cannot come back. */
static int drop_rest(struct job *j)
{
	_cleanup_free_ struct spec_ip *gone =
		calloc(j->from->n_ip + 1, sizeof(*gone));
	char name[IFNAMSIZ];
	size_t n = 0;
	int r;

	if (!gone)
		return -ENOMEM;
	for (size_t i = 0; i < j->from->n_netif; i++) {
		if (netplan_find(j->to, j->from->netif[i].name))
			continue;
		netplan_host_name(&j->from->netif[i], j->name, name);
		netmsg_drop_link(j->host, 0, name);
	}
	if (j->from->n_ip && !j->to->n_ip)
		netmsg_drop_link(j->host, 0, j->routed);
	for (size_t i = 0; i < j->from->n_ip; i++)
		if (!netplan_has_ip(j->to, &j->from->ip[i]))
			gone[n++] = j->from->ip[i];
	r = rtnl_run(j->host, j->why);
	return r < 0 ? r : nethost_silence(j->host, gone, n, j->why);
}

static int change(struct job *j)
{
	static int (*const steps[])(struct job *) = {
		check_kept,  open_job,	       ask_bridges,
		ask_ways,    add_links,	       raise_links,
		change_kept, change_addresses, change_host,
	};
	int r = netplan_check(j->to, j->name, j->why);

	netplan_routed_name(j->name, j->routed);
	netend_alias(j->name, j->alias);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](j);
	if (r == 0)
		return drop_rest(j);
	nethost_settings_undo(&j->settings);
	if (j->inside)
		rtnl_rollback(j->inside);
	if (j->host)
		rtnl_rollback(j->host);
	return why_sys(j->why, r, "setting up the network");
}

int net_up(const struct spec_net *n, const char *name, int ns, struct why *why)
{
	const struct spec_net none = { .mode = n->mode };
	_cleanup_(job_free) struct job j = {
		.from = &none,
		.to = n,
		.name = name,
		.ns = ns,
		.why = why,
		.fresh = true,
	};

	if (n->mode == SPEC_NET_HOST)
		return netplan_check(n, name, why);
	return change(&j);
}

int net_change(const struct spec_net *from, const struct spec_net *to,
	       const char *name, int ns, struct why *why)
{
	_cleanup_(job_free) struct job j = {
		.from = from,
		.to = to,
		.name = name,
		.ns = ns,
		.why = why,
	};

	if (from->mode != to->mode)
		return why_set(why, -EBUSY,
			       "whose network it has cannot be changed while "
			       "the container runs");
	if (to->mode != SPEC_NET_PRIVATE)
		return netplan_check(to, name, why);
	return change(&j);
}

/* ---- afterwards ----------------------------------------------------------- */

/*
 * What is answered for: by `n`, and by the routes to its own end, for it may
 * have been changed since it was as `n`.
 */
static int find_answers(struct rtnl *r, const struct spec_net *n,
			const char *name, struct spec_ip **ip, size_t *n_ip,
			struct why *why)
{
	struct netmsg_link end = { .index = 0 };
	char routed[IFNAMSIZ];
	int err;

	*ip = calloc(n->n_ip + 1, sizeof(**ip));
	if (!*ip)
		return -ENOMEM;
	if (n->n_ip)
		memcpy(*ip, n->ip, n->n_ip * sizeof(**ip));
	*n_ip = n->n_ip;
	netplan_routed_name(name, routed);
	netmsg_ask_link(r, routed, false, &end);
	err = rtnl_run(r, why);
	if (err < 0 || !end.index || end.group != NETMSG_GROUP)
		return err;
	return nethost_routed(r, end.index, ip, n_ip, why);
}

int net_down(const struct spec_net *n, const char *name, struct why *why)
{
	_cleanup_free_ struct spec_ip *ip = NULL;
	struct rtnl *r = NULL;
	size_t n_ip = 0;
	int err, found;

	if (n->mode == SPEC_NET_HOST)
		return 0;
	err = rtnl_open(&r);
	if (err < 0)
		return why_sys(why, err, "asking for a netlink socket");
	/* with their link the routes go, and who knew of them */
	found = find_answers(r, n, name, &ip, &n_ip, why);
	err = netend_drop(r, name, why);
	if (err == 0)
		err = nethost_silence(r, ip, n_ip, why);
	rtnl_free(r);
	if (err == 0)
		err = found;
	return err < 0 ? why_sys(why, err, "taking down the network") : 0;
}

/* What the host's end sent is what the container received. */
void net_usage(const struct spec_net *n, const char *name,
	       struct net_usage *out)
{
	_cleanup_free_ struct netmsg_link *links =
		calloc(n->n_netif + 1, sizeof(*links));
	struct net_usage sum = { 0 };
	struct rtnl *r = NULL;
	char host[IFNAMSIZ];

	if (links && rtnl_open(&r) == 0) {
		for (size_t i = 0; i < n->n_netif; i++) {
			netplan_host_name(&n->netif[i], name, host);
			netmsg_ask_link(r, host, true, &links[i]);
		}
		if (n->n_ip) {
			netplan_routed_name(name, host);
			netmsg_ask_link(r, host, true, &links[n->n_netif]);
		}
		(void)rtnl_run(r, NULL);
		rtnl_free(r);
	}
	for (size_t i = 0; links && i <= n->n_netif; i++) {
		sum.received += links[i].sent;
		sum.sent += links[i].received;
	}
	*out = sum;
}

bool net_advice(const struct spec_net *n, struct why *out)
{
	char text[NETIP_TEXT];

	if (nethost_forwards_ipv6())
		return false;
	for (size_t i = 0; i < n->n_ip; i++) {
		if (n->ip[i].family != AF_INET6)
			continue;
		why_set(out, 0,
			"%s is reached from this host only: it does not "
			"forward IPv6. 'sysctl net.ipv6.conf.all.forwarding=1' "
			"lets it; an interface that is configured by router "
			"advertisements needs accept_ra=2 before",
			netip_print(&n->ip[i], text));
		return true;
	}
	return false;
}
