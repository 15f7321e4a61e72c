/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/nethost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/ct/netip.h"

#define DUMPS_MAX 5

/* ---- routes --------------------------------------------------------------- */

/* What the host would do with packets to an address. */
struct fate {
	struct nethost_way *way;
	uint8_t type, prefix, protocol;
};

static void add_way(struct nethost_way *way, unsigned index)
{
	for (size_t i = 0; i < way->n; i++)
		if (way->index[i] == index)
			return;
	if (index && way->n < NETHOST_WAYS)
		way->index[way->n++] = index;
}

static void take_gateways(const struct nlattr *attr, struct nethost_way *way)
{
	const char *at = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const struct rtnexthop *)at;
		size_t len = RTNH_ALIGN(hop->rtnh_len);

		if (hop->rtnh_len < sizeof(*hop) || len > left)
			return;
		add_way(way, (unsigned)hop->rtnh_ifindex);
		at += len;
		left -= len;
	}
}

static int take_route_attr(const struct nlattr *attr, void *arg)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (type == RTA_OIF &&
	    mnl_attr_get_payload_len(attr) >= sizeof(uint32_t))
		add_way(arg, mnl_attr_get_u32(attr));
	else if (type == RTA_MULTIPATH)
		take_gateways(attr, arg);
	return MNL_CB_OK;
}

static int take_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct fate *fate = arg;

	if (h->nlmsg_type != RTM_NEWROUTE)
		return 0;
	fate->type = m->rtm_type;
	fate->prefix = m->rtm_dst_len;
	fate->protocol = m->rtm_protocol;
	if (m->rtm_type == RTN_UNICAST)
		(void)mnl_attr_parse(h, sizeof(*m), take_route_attr, fate->way);
	return 0;
}

/* Queued and sent: the fates of `n` addresses. */
static int ask_fates(struct rtnl *r, struct fate *fate, size_t n,
		     struct why *why)
{
	for (size_t i = 0; i < n; i++)
		netmsg_ask_route(r, &fate[i].way->ip, take_route, &fate[i]);
	return rtnl_run(r, why);
}

static int judge(const struct fate *fate, struct why *why)
{
	const struct spec_ip *ip = &fate->way->ip;
	char text[NETIP_TEXT];

	netip_print(ip, text);
	switch (fate->type) {
	case RTN_LOCAL:
		return why_set(why, -EADDRINUSE,
			       "address %s is this host's own", text);
	case RTN_BROADCAST:
	case RTN_ANYCAST:
	case RTN_MULTICAST:
		return why_set(why, -EADDRINUSE,
			       "address %s is for all machines of its network",
			       text);
	case RTN_UNICAST:
		if (fate->prefix == netip_bits(ip->family))
			return why_set(why, -EADDRINUSE,
				       "address %s is in use: this host has a "
				       "route to it already",
				       text);
		return 0;
	default:
		return 0;
	}
}

int nethost_ways(struct rtnl *r, const struct spec_ip *ip, size_t n,
		 struct nethost_way *way, struct why *why)
{
	_cleanup_free_ struct fate *fate = calloc(n + 1, sizeof(*fate));
	int err;

	if (!fate)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		way[i] = (struct nethost_way){ .ip = ip[i] };
		fate[i].way = &way[i];
	}
	err = ask_fates(r, fate, n, why);
	for (size_t i = 0; err == 0 && i < n; i++)
		err = judge(&fate[i], why);
	return err;
}

/* Our routes that lead to one link. */
struct routed {
	unsigned index;
	struct spec_ip **ip;
	size_t *n;
};

struct route {
	struct spec_ip to;
	unsigned index;
};

static int take_own_attr(const struct nlattr *attr, void *arg)
{
	uint16_t type = mnl_attr_get_type(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	struct route *one = arg;

	if (type == RTA_DST && len == one->to.prefix / 8)
		memcpy(one->to.bytes, mnl_attr_get_payload(attr), len);
	else if (type == RTA_OIF && len >= sizeof(uint32_t))
		one->index = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int take_own_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct routed *all = arg;
	struct route one = { .to.family = m->rtm_family,
			     .to.prefix = m->rtm_dst_len };
	struct spec_ip *list;

	if (h->nlmsg_type != RTM_NEWROUTE ||
	    m->rtm_protocol != NETMSG_PROTOCOL || m->rtm_type != RTN_UNICAST ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6) ||
	    m->rtm_dst_len != netip_bits(m->rtm_family))
		return 0;
	(void)mnl_attr_parse(h, sizeof(*m), take_own_attr, &one);
	if (one.index != all->index)
		return 0;
	list = reallocarray(*all->ip, *all->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	list[(*all->n)++] = one.to;
	*all->ip = list;
	return 0;
}

int nethost_routed(struct rtnl *r, unsigned index, struct spec_ip **ip,
		   size_t *n, struct why *why)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct routed all = { .index = index };
	int err = 0;

	all.ip = ip;
	all.n = n;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int seen = 1;

		/* one that is seen twice does no harm */
		for (int k = 0; seen == 1 && k < DUMPS_MAX; k++)
			seen = rtnl_dump_some(
				r, netmsg_routes(r, families[i], index),
				take_own_route, &all);
		/* no IPv6; the link has gone meanwhile */
		if (seen == -EOPNOTSUPP || seen == -EAFNOSUPPORT ||
		    seen == -ENODEV)
			continue;
		if (seen < 0 && err == 0)
			err = why_sys(why, seen, "looking for routes");
	}
	return err;
}

/* ---- links ---------------------------------------------------------------- */

struct links {
	struct netmsg_link *list;
	bool *ipv4, *ipv6; /* is it a way of such addresses? */
	size_t n;
};

static void links_free(struct links *l)
{
	free(l->list);
	free(l->ipv4);
	free(l->ipv6);
}

static void add_link(struct links *l, unsigned index, int family)
{
	size_t i = 0;

	while (i < l->n && l->list[i].index != index)
		i++;
	l->list[i].index = index;
	if (i == l->n)
		l->n++;
	if (family == AF_INET)
		l->ipv4[i] = true;
	else
		l->ipv6[i] = true;
}

/* Each interface once; one that went away meanwhile has no name. */
static int get_links(struct rtnl *r, const struct nethost_way *way, size_t n,
		     struct links *out, struct why *why)
{
	size_t max = n * NETHOST_WAYS + 1;

	out->list = calloc(max, sizeof(*out->list));
	out->ipv4 = calloc(max, sizeof(*out->ipv4));
	out->ipv6 = calloc(max, sizeof(*out->ipv6));
	if (!out->list || !out->ipv4 || !out->ipv6)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < way[i].n; k++)
			add_link(out, way[i].index[k], way[i].ip.family);
	for (size_t i = 0; i < out->n; i++)
		netmsg_ask_index(r, out->list[i].index, &out->list[i]);
	return rtnl_run(r, why);
}

int nethost_mtu(struct rtnl *r, const struct nethost_way *way, size_t n,
		unsigned *mtu, struct why *why)
{
	_cleanup_(links_free) struct links l = { 0 };
	unsigned least = 0;
	int err = get_links(r, way, n, &l, why);

	if (err < 0)
		return err;
	for (size_t i = 0; i < l.n; i++)
		if (!l.list[i].loopback && l.list[i].mtu &&
		    (!least || l.list[i].mtu < least))
			least = l.list[i].mtu;
	*mtu = least;
	return 0;
}

/* ---- proxies -------------------------------------------------------------- */

struct proxies {
	struct proxy {
		struct spec_ip ip;
		unsigned index;
		bool own;
	} * list;
	size_t n, room;
	/* only those for these */
	const struct spec_ip *ip;
	size_t n_ip;
};

static void proxies_free(struct proxies *p)
{
	free(p->list);
}

static bool is_one(const struct spec_ip *ip, size_t n, const struct spec_ip *of)
{
	for (size_t i = 0; i < n; i++)
		if (netip_same(&ip[i], of))
			return true;
	return false;
}

static int add_proxy(struct proxies *p, const struct proxy *one)
{
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 16;
		struct proxy *list = reallocarray(p->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		p->list = list;
		p->room = room;
	}
	p->list[p->n++] = *one;
	return 0;
}

static int take_proxy_attr(const struct nlattr *attr, void *arg)
{
	uint16_t type = mnl_attr_get_type(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	struct proxy *one = arg;

	if (type == NDA_DST && len == one->ip.prefix / 8)
		memcpy(one->ip.bytes, mnl_attr_get_payload(attr), len);
	else if (type == NDA_PROTOCOL && len >= 1)
		one->own = mnl_attr_get_u8(attr) == NETMSG_PROTOCOL;
	return MNL_CB_OK;
}

static int take_proxy(const struct nlmsghdr *h, void *arg)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	struct proxy one = { .index = (unsigned)m->ndm_ifindex };
	struct proxies *p = arg;

	if (h->nlmsg_type != RTM_NEWNEIGH || !(m->ndm_flags & NTF_PROXY) ||
	    (m->ndm_family != AF_INET && m->ndm_family != AF_INET6))
		return 0;
	one.ip.family = m->ndm_family;
	one.ip.prefix = (uint8_t)netip_bits(m->ndm_family);
	(void)mnl_attr_parse(h, sizeof(*m), take_proxy_attr, &one);
	return is_one(p->ip, p->n_ip, &one.ip) ? add_proxy(p, &one) : 0;
}

static int get_proxies(struct rtnl *r, struct proxies *p, struct why *why)
{
	int err = rtnl_dump(r, netmsg_proxies(r), take_proxy, p);

	return err < 0 ? why_sys(why, err, "asking whom the host answers for")
		       : 0;
}

static bool answers(const struct proxies *p, const struct spec_ip *ip,
		    unsigned index)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].index == index && netip_same(&p->list[i].ip, ip))
			return true;
	return false;
}

int nethost_answer(struct rtnl *r, const struct nethost_way *way, size_t n,
		   struct why *why)
{
	_cleanup_free_ struct spec_ip *ip = calloc(n + 1, sizeof(*ip));
	_cleanup_(proxies_free) struct proxies p = { .ip = ip, .n_ip = n };
	int err;

	if (!ip)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ip[i] = way[i].ip;
	err = get_proxies(r, &p, why);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < way[i].n; k++)
			if (!answers(&p, &ip[i], way[i].index[k]))
				netmsg_proxy(r, true, way[i].index[k], &ip[i]);
	return 0;
}

int nethost_silence(struct rtnl *r, const struct spec_ip *ip, size_t n,
		    struct why *why)
{
	_cleanup_(proxies_free) struct proxies p = { .ip = ip, .n_ip = n };
	_cleanup_free_ struct nethost_way *way = NULL;
	_cleanup_free_ struct fate *fate = NULL;
	int err = n ? get_proxies(r, &p, why) : 0;

	if (err < 0 || p.n == 0)
		return err;
	way = calloc(p.n, sizeof(*way));
	fate = calloc(p.n, sizeof(*fate));
	if (!way || !fate)
		return -ENOMEM;
	for (size_t i = 0; i < p.n; i++) {
		way[i].ip = p.list[i].ip;
		fate[i].way = &way[i];
	}
	err = ask_fates(r, fate, p.n, why);
	if (err < 0)
		return err;
	for (size_t i = 0; i < p.n; i++) {
		bool routed = fate[i].type == RTN_UNICAST &&
			      fate[i].protocol == NETMSG_PROTOCOL &&
			      fate[i].prefix == p.list[i].ip.prefix;

		if (p.list[i].own && !routed)
			netmsg_proxy(r, false, p.list[i].index, &p.list[i].ip);
	}
	return rtnl_run(r, why);
}

/* ---- settings ------------------------------------------------------------- */

static int open_setting(int family, const char *link, const char *key,
			int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/%s",
		 family == AF_INET ? 4 : 6, link, key);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What it is, without the newline. */
static int get_setting(int family, const char *link, const char *key,
		       char value[16])
{
	_cleanup_close_ int fd = open_setting(family, link, key, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, value, 15);
	if (n < 0)
		return -errno;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

static int set_setting(int family, const char *link, const char *key,
		       const char *value)
{
	_cleanup_close_ int fd = open_setting(family, link, key, O_WRONLY);
	size_t len = strlen(value);

	if (fd < 0)
		return fd;
	return write(fd, value, len) == (ssize_t)len ? 0 : -errno;
}

static int make_setting(struct nethost_settings *s, int family,
			const char *link, const char *key, struct why *why)
{
	struct nethost_setting *one = &s->list[s->n];
	int err;

	*one = (struct nethost_setting){ .family = family, .key = key };
	snprintf(one->link, sizeof(one->link), "%s", link);
	err = get_setting(family, link, key, one->old);
	if (err == 0 && strcmp(one->old, "0") != 0)
		return 0;
	if (err == 0)
		err = set_setting(family, link, key, "1");
	if (err < 0)
		return why_sys(why, err, "setting net.ipv%d.conf.%s.%s to 1",
			       family == AF_INET ? 4 : 6, link, key);
	s->n++;
	return 0;
}

int nethost_settings_make(struct rtnl *r, const struct nethost_way *way,
			  size_t n, struct nethost_settings *s, struct why *why)
{
	_cleanup_(links_free) struct links l = { 0 };
	int err = get_links(r, way, n, &l, why);

	if (err < 0)
		return err;
	s->list = calloc(2 * l.n + 1, sizeof(*s->list));
	if (!s->list)
		return -ENOMEM;
	for (size_t i = 0; err == 0 && i < l.n; i++) {
		const char *name = l.list[i].name;

		if (!*name)
			continue;
		if (l.ipv4[i])
			err = make_setting(s, AF_INET, name, "forwarding", why);
		if (err == 0 && l.ipv6[i])
			err = make_setting(s, AF_INET6, name, "proxy_ndp", why);
	}
	return err;
}

void nethost_settings_undo(struct nethost_settings *s)
{
	while (s->n > 0) {
		const struct nethost_setting *one = &s->list[--s->n];

		(void)set_setting(one->family, one->link, one->key, one->old);
	}
}

void nethost_settings_free(struct nethost_settings *s)
{
	free(s->list);
	*s = (struct nethost_settings){ 0 };
}

int nethost_distrust(const char *link, struct why *why)
{
	int err = set_setting(AF_INET6, link, "accept_ra", "0");

	if (err == -ENOENT)
		return 0;
	return err < 0 ? why_sys(why, err,
				 "setting net.ipv6.conf.%s.accept_ra to 0",
				 link)
		       : 0;
}

bool nethost_forwards_ipv6(void)
{
	char value[16];

	return get_setting(AF_INET6, "all", "forwarding", value) == 0 &&
	       strcmp(value, "0") != 0;
}
