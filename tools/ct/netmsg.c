/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/netmsg.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>

#include "tools/ct/netip.h"

#define SKIP_STATS (1u << 3) /* RTEXT_FILTER_SKIP_STATS */

/* ---- links ---------------------------------------------------------------- */

static struct nlmsghdr *begin_link(struct rtnl *r, uint16_t type,
				   unsigned index)
{
	struct ifinfomsg m = { .ifi_index = (int)index };

	return rtnl_begin(r, type, 0, &m, sizeof(m));
}

static struct nlmsghdr *begin_named(struct rtnl *r, uint16_t type,
				    const char *name)
{
	struct nlmsghdr *h = begin_link(r, type, 0);

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return h;
}

static void take_text(const struct nlattr *attr, char *out, size_t size)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len >= size)
		len = size - 1;
	memcpy(out, mnl_attr_get_payload(attr), len);
	out[len] = '\0';
}

static int take_kind(const struct nlattr *attr, void *arg)
{
	struct netmsg_link *l = arg;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		take_text(attr, l->kind, sizeof(l->kind));
	return MNL_CB_OK;
}

static void take_counts(const struct nlattr *attr, struct netmsg_link *l)
{
	struct rtnl_link_stats64 s;

	if (mnl_attr_get_payload_len(attr) <
	    offsetof(struct rtnl_link_stats64, rx_errors))
		return;
	memset(&s, 0, sizeof(s));
	memcpy(&s, mnl_attr_get_payload(attr),
	       offsetof(struct rtnl_link_stats64, rx_errors));
	l->received = s.rx_bytes;
	l->sent = s.tx_bytes;
}

static int take_attr(const struct nlattr *attr, void *arg)
{
	struct netmsg_link *l = arg;
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		take_text(attr, l->name, sizeof(l->name));
		break;
	case IFLA_IFALIAS:
		take_text(attr, l->alias, sizeof(l->alias));
		break;
	case IFLA_MTU:
		if (len >= sizeof(uint32_t))
			l->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_MASTER:
		if (len >= sizeof(uint32_t))
			l->master = mnl_attr_get_u32(attr);
		break;
	case IFLA_GROUP:
		if (len >= sizeof(uint32_t))
			l->group = mnl_attr_get_u32(attr);
		break;
	case IFLA_ADDRESS:
		if (len == sizeof(l->mac))
			memcpy(l->mac, mnl_attr_get_payload(attr), len);
		break;
	case IFLA_LINKINFO:
		(void)mnl_attr_parse_nested(attr, take_kind, l);
		break;
	case IFLA_STATS64:
		take_counts(attr, l);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

int netmsg_take_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct netmsg_link *out = arg, l = { 0 };

	if (h->nlmsg_type != RTM_NEWLINK)
		return 0;
	l.index = (unsigned)m->ifi_index;
	l.loopback = m->ifi_flags & IFF_LOOPBACK;
	(void)mnl_attr_parse(h, sizeof(*m), take_attr, &l);
	*out = l;
	return 0;
}

void netmsg_ask_link(struct rtnl *r, const char *name, bool count,
		     struct netmsg_link *out)
{
	struct nlmsghdr *h = begin_named(r, RTM_GETLINK, name);
	struct rtnl_how how = { .forgive = ENODEV,
				.take = netmsg_take_link,
				.arg = out };

	if (!count)
		mnl_attr_put_u32(h, IFLA_EXT_MASK, SKIP_STATS);
	rtnl_add(r, h, &how, "interface %s", name);
}

void netmsg_ask_index(struct rtnl *r, unsigned index, struct netmsg_link *out)
{
	struct nlmsghdr *h = begin_link(r, RTM_GETLINK, index);
	struct rtnl_how how = { .forgive = ENODEV,
				.take = netmsg_take_link,
				.arg = out };

	mnl_attr_put_u32(h, IFLA_EXT_MASK, SKIP_STATS);
	rtnl_add(r, h, &how, "interface %u", index);
}

static void put_kind(struct nlmsghdr *h, const char *kind)
{
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);

	mnl_attr_put_str(h, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(h, info);
}

struct nlmsghdr *netmsg_veths(struct rtnl *r)
{
	struct nlmsghdr *h = begin_link(r, RTM_GETLINK, 0);

	mnl_attr_put_u32(h, IFLA_EXT_MASK, SKIP_STATS);
	put_kind(h, "veth");
	return h;
}

/* What both ends have. One queue each: more are more to make, to no use. */
static void put_end(struct nlmsghdr *h, const char *name, const uint8_t *mac,
		    unsigned mtu)
{
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put_u32(h, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(h, IFLA_NUM_RX_QUEUES, 1);
	if (mac)
		mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
	if (mtu)
		mnl_attr_put_u32(h, IFLA_MTU, mtu);
}

void netmsg_add_pair(struct rtnl *r, const struct netmsg_pair *p)
{
	struct nlmsghdr *h = begin_link(r, RTM_NEWLINK, 0);
	struct nlattr *info, *data, *peer;

	h->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	put_end(h, p->host, p->host_mac, p->mtu);
	mnl_attr_put_u32(h, IFLA_GROUP, NETMSG_GROUP);
	if (p->master)
		mnl_attr_put_u32(h, IFLA_MASTER, p->master);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_str(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	memset(mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg)), 0,
	       sizeof(struct ifinfomsg));
	put_end(h, p->inside, p->mac, p->mtu);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)p->ns);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	rtnl_add(r, h, NULL, "interface %s (%s inside)", p->host, p->inside);
	rtnl_inverse(r, begin_named(r, RTM_DELLINK, p->host));
}

void netmsg_drop_link(struct rtnl *r, unsigned index, const char *name)
{
	rtnl_add(r,
		 index ? begin_link(r, RTM_DELLINK, index)
		       : begin_named(r, RTM_DELLINK, name),
		 &(struct rtnl_how){ .forgive = RTNL_GONE },
		 "removing interface %s", name);
}

void netmsg_up(struct rtnl *r, const char *name)
{
	struct ifinfomsg m = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nlmsghdr *h = rtnl_begin(r, RTM_SETLINK, 0, &m, sizeof(m));

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	rtnl_add(r, h, NULL, "interface %s", name);
}

void netmsg_alias(struct rtnl *r, const char *name, const char *alias)
{
	struct nlmsghdr *h = begin_named(r, RTM_SETLINK, name);

	mnl_attr_put_strz(h, IFLA_IFALIAS, alias);
	rtnl_add(r, h, NULL, "interface %s", name);
}

void netmsg_guard(struct rtnl *r, const char *name)
{
	static const struct {
		uint16_t id;
		uint32_t value;
	} conf[] = {
		{ IPV4_DEVCONF_FORWARDING, 1 },
		{ IPV4_DEVCONF_RP_FILTER, 1 },
		{ IPV4_DEVCONF_ACCEPT_REDIRECTS, 0 },
		{ IPV4_DEVCONF_SEND_REDIRECTS, 0 },
	};
	struct nlmsghdr *h = begin_named(r, RTM_SETLINK, name);
	struct nlattr *all = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	struct nlattr *one = mnl_attr_nest_start(h, AF_INET);
	struct nlattr *list = mnl_attr_nest_start(h, IFLA_INET_CONF);

	for (size_t i = 0; i < sizeof(conf) / sizeof(conf[0]); i++)
		mnl_attr_put_u32(h, conf[i].id, conf[i].value);
	mnl_attr_nest_end(h, list);
	mnl_attr_nest_end(h, one);
	mnl_attr_nest_end(h, all);
	rtnl_add(r, h, NULL, "interface %s", name);

	/* no address of its own making; a kernel without IPv6 has none */
	h = begin_named(r, RTM_SETLINK, name);
	all = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	one = mnl_attr_nest_start(h, AF_INET6);
	mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(h, one);
	mnl_attr_nest_end(h, all);
	rtnl_add(r, h, &(struct rtnl_how){ .forgive = EAFNOSUPPORT },
		 "interface %s", name);
}

static struct nlmsghdr *begin_master(struct rtnl *r, unsigned index,
				     unsigned master)
{
	struct nlmsghdr *h = begin_link(r, RTM_SETLINK, index);

	mnl_attr_put_u32(h, IFLA_MASTER, master);
	return h;
}

void netmsg_master(struct rtnl *r, const struct netmsg_link *link,
		   unsigned master)
{
	rtnl_add(r, begin_master(r, link->index, master), NULL,
		 "the bridge of %s", link->name);
	rtnl_inverse(r, begin_master(r, link->index, link->master));
}

static struct nlmsghdr *begin_mac(struct rtnl *r, unsigned index,
				  const uint8_t mac[6])
{
	struct nlmsghdr *h = begin_link(r, RTM_SETLINK, index);

	mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
	return h;
}

void netmsg_mac(struct rtnl *r, const struct netmsg_link *link,
		const uint8_t mac[6])
{
	rtnl_add(r, begin_mac(r, link->index, mac), NULL, "the MAC of %s",
		 link->name);
	rtnl_inverse(r, begin_mac(r, link->index, link->mac));
}

/* ---- addresses ------------------------------------------------------------ */

static struct nlmsghdr *begin_address(struct rtnl *r, bool add, unsigned index,
				      const struct spec_ip *ip, uint8_t scope)
{
	struct ifaddrmsg m = {
		.ifa_family = (uint8_t)ip->family,
		.ifa_prefixlen = ip->prefix,
		.ifa_flags = ip->family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_scope = scope,
		.ifa_index = index,
	};
	size_t len = netip_bits(ip->family) / 8;
	struct nlmsghdr *h = rtnl_begin(r, add ? RTM_NEWADDR : RTM_DELADDR,
					add ? NLM_F_CREATE | NLM_F_EXCL : 0, &m,
					sizeof(m));

	mnl_attr_put(h, IFA_LOCAL, len, ip->bytes);
	mnl_attr_put(h, IFA_ADDRESS, len, ip->bytes);
	return h;
}

void netmsg_address(struct rtnl *r, bool add, unsigned index,
		    const struct spec_ip *ip, uint8_t scope)
{
	struct rtnl_how how = { .forgive = add ? EEXIST : RTNL_GONE };
	char text[NETIP_TEXT];

	rtnl_add(r, begin_address(r, add, index, ip, scope), &how, "address %s",
		 netip_print(ip, text));
	rtnl_inverse(r, begin_address(r, !add, index, ip, scope));
}

/* ---- routes --------------------------------------------------------------- */

static struct nlmsghdr *begin_route(struct rtnl *r, bool add,
				    const struct netmsg_route *route)
{
	size_t len = netip_bits(route->family) / 8;
	struct rtmsg m = {
		.rtm_family = (uint8_t)route->family,
		.rtm_dst_len = route->to ? (uint8_t)(len * 8) : 0,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = route->protocol,
		.rtm_scope = route->via || route->family == AF_INET6
				     ? RT_SCOPE_UNIVERSE
				     : RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};
	struct nlmsghdr *h = rtnl_begin(r, add ? RTM_NEWROUTE : RTM_DELROUTE,
					add ? NLM_F_CREATE | NLM_F_EXCL : 0, &m,
					sizeof(m));

	if (route->to)
		mnl_attr_put(h, RTA_DST, len, route->to->bytes);
	if (route->via)
		mnl_attr_put(h, RTA_GATEWAY, len, route->via->bytes);
	mnl_attr_put_u32(h, RTA_OIF, route->index);
	return h;
}

void netmsg_route(struct rtnl *r, bool add, const struct netmsg_route *route)
{
	struct rtnl_how how = { .exists = EADDRINUSE };
	char text[NETIP_TEXT];

	if (!add)
		how.forgive = RTNL_GONE;
	else if (route->may_exist)
		how.forgive = EEXIST;
	rtnl_add(r, begin_route(r, add, route), &how, "route to %s",
		 route->to ? netip_print(route->to, text) : "everywhere");
	rtnl_inverse(r, begin_route(r, !add, route));
}

void netmsg_ask_route(struct rtnl *r, const struct spec_ip *ip, rtnl_take take,
		      void *arg)
{
	size_t len = netip_bits(ip->family) / 8;
	struct rtmsg m = {
		.rtm_family = (uint8_t)ip->family,
		.rtm_dst_len = (uint8_t)(len * 8),
		.rtm_flags = RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH,
	};
	struct nlmsghdr *h = rtnl_begin(r, RTM_GETROUTE, 0, &m, sizeof(m));
	struct rtnl_how how = { .forgive = RTNL_ANY, .take = take, .arg = arg };

	mnl_attr_put(h, RTA_DST, len, ip->bytes);
	rtnl_add(r, h, &how, "route");
}

struct nlmsghdr *netmsg_routes(struct rtnl *r, int family, unsigned index)
{
	struct rtmsg m = { .rtm_family = (uint8_t)family,
			   .rtm_protocol = NETMSG_PROTOCOL };
	struct nlmsghdr *h = rtnl_begin(r, RTM_GETROUTE, 0, &m, sizeof(m));

	mnl_attr_put_u32(h, RTA_OIF, index);
	return h;
}

/* ---- proxies -------------------------------------------------------------- */

static struct nlmsghdr *begin_proxy(struct rtnl *r, bool add, unsigned index,
				    const struct spec_ip *ip)
{
	struct ndmsg m = {
		.ndm_family = (uint8_t)ip->family,
		.ndm_ifindex = (int)index,
		.ndm_state = NUD_PERMANENT,
		.ndm_flags = NTF_PROXY,
	};
	struct nlmsghdr *h = rtnl_begin(r, add ? RTM_NEWNEIGH : RTM_DELNEIGH,
					add ? NLM_F_CREATE | NLM_F_EXCL : 0, &m,
					sizeof(m));

	mnl_attr_put(h, NDA_DST, netip_bits(ip->family) / 8, ip->bytes);
	if (add)
		mnl_attr_put_u8(h, NDA_PROTOCOL, NETMSG_PROTOCOL);
	return h;
}

void netmsg_proxy(struct rtnl *r, bool add, unsigned index,
		  const struct spec_ip *ip)
{
	struct rtnl_how how = { .forgive = add ? 0 : RTNL_GONE };
	char text[NETIP_TEXT];

	rtnl_add(r, begin_proxy(r, add, index, ip), &how,
		 "answering for %s on interface %u", netip_print(ip, text),
		 index);
	rtnl_inverse(r, begin_proxy(r, !add, index, ip));
}

struct nlmsghdr *netmsg_proxies(struct rtnl *r)
{
	struct ndmsg m = { .ndm_flags = NTF_PROXY };

	return rtnl_begin(r, RTM_GETNEIGH, 0, &m, sizeof(m));
}
