/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/netkept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/ct/netplan.h"

/* As both ends are now. */
struct ends {
	struct netmsg_link host, inside;
};

static bool is_same(const struct spec_netif *a, const struct spec_netif *b)
{
	return strcmp(a->bridge, b->bridge) == 0 && a->has_mac == b->has_mac &&
	       a->has_host_mac == b->has_host_mac &&
	       (!b->has_mac || memcmp(a->mac, b->mac, 6) == 0) &&
	       (!b->has_host_mac || memcmp(a->host_mac, b->host_mac, 6) == 0);
}

static bool is_other(bool has, const uint8_t mac[6],
		     const struct netmsg_link *link)
{
	return has && memcmp(mac, link->mac, 6) != 0;
}

static int queue_one(struct rtnl *host, struct rtnl *inside,
		     const struct netkept *k, const struct ends *e,
		     struct why *why)
{
	const struct spec_netif *f = k->is;

	if (!e->host.index)
		return why_set(why, -ENODEV,
			       "interface %s has lost its end on the host: "
			       "remove and add it to get it again",
			       f->name);
	if (strcmp(k->was->bridge, f->bridge) != 0)
		netmsg_master(host, &e->host, k->bridge);
	if (is_other(f->has_host_mac, f->host_mac, &e->host))
		netmsg_mac(host, &e->host, f->host_mac);
	/* it may have another name inside by now: the container's affair */
	if (e->inside.index && is_other(f->has_mac, f->mac, &e->inside))
		netmsg_mac(inside, &e->inside, f->mac);
	return 0;
}

static int run_both(struct rtnl *host, struct rtnl *inside, struct why *why)
{
	int r = rtnl_run(host, why);

	return r < 0 ? r : rtnl_run(inside, why);
}

int netkept_change(struct rtnl *host, struct rtnl *inside, const char *name,
		   const struct netkept *kept, size_t n, struct why *why)
{
	_cleanup_free_ struct ends *ends = calloc(n + 1, sizeof(*ends));
	char link[IFNAMSIZ];
	int r;

	if (!ends)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (is_same(kept[i].was, kept[i].is))
			continue;
		netplan_host_name(kept[i].is, name, link);
		netmsg_ask_link(host, link, false, &ends[i].host);
		netmsg_ask_link(inside, kept[i].is->name, false,
				&ends[i].inside);
	}
	r = run_both(host, inside, why);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (!is_same(kept[i].was, kept[i].is))
			r = queue_one(host, inside, &kept[i], &ends[i], why);
	return r < 0 ? r : run_both(host, inside, why);
}
