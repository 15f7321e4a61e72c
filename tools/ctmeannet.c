/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the lines of vefs.conf about the network mean: see ctmean.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/ct/netip.h"
#include "tools/ctmean.h"

#define BLANKS " \t"

CTMEAN(net)
{
	static const char *const words[] = { [SPEC_NET_PRIVATE] = "private",
					     [SPEC_NET_NONE] = "none",
					     [SPEC_NET_HOST] = "host" };

	(void)w;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i], value) == 0) {
			s->net.mode = (enum spec_net_mode)i;
			return 0;
		}
	}
	return why_set(why, -EINVAL, "it is private, none or host");
}

CTMEAN(ip)
{
	char part[NETIP_TEXT];
	int r;

	(void)w;
	while ((r = ctvalue_next(&value, BLANKS, part, sizeof(part))) > 0) {
		struct spec_ip ip = { .family = 0 }, *more;

		r = netip_parse(part, &ip);
		if (r < 0)
			return why_set(why, r,
				       "'%s' is no address: one is 10.0.0.5 or "
				       "fd00::5",
				       part);
		more = reallocarray(s->net.ip, s->net.n_ip + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->net.ip = more;
		s->net.ip[s->net.n_ip++] = ip;
	}
	return r < 0 ? why_set(why, -EINVAL, "one of its addresses is too long")
		     : 0;
}

static int copy(char *out, size_t size, const char *value, struct why *why)
{
	if (strlen(value) >= size)
		return why_set(why, -ERANGE, "it is too long: %zu characters",
			       size - 1);
	snprintf(out, size, "%s", value);
	return 0;
}

CTMEAN(nameserver)
{
	const char *p = value;
	char part[NETIP_TEXT];
	struct spec_ip ip;
	int r;

	(void)w;
	if (strcmp(value, "inherit") == 0)
		return copy(s->nameserver, sizeof(s->nameserver), value, why);
	while ((r = ctvalue_next(&p, BLANKS, part, sizeof(part))) > 0)
		if (strchr(part, '/') || netip_parse(part, &ip) < 0)
			return why_set(why, -EINVAL,
				       "'%s': a name server is an address, as "
				       "9.9.9.9, or the word inherit",
				       part);
	if (r < 0)
		return why_set(why, -EINVAL, "one of its words is too long");
	return copy(s->nameserver, sizeof(s->nameserver), value, why);
}

CTMEAN(searchdomain)
{
	const char *p = value;
	char part[128];
	int r;

	(void)w;
	while ((r = ctvalue_next(&p, BLANKS, part, sizeof(part))) > 0) {
		r = ctvalue_hostname(part, why);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return why_set(why, -EINVAL, "one of its words is too long");
	return copy(s->searchdomain, sizeof(s->searchdomain), value, why);
}

CTMEAN(netfilter)
{
	static const char *const words[] = { "disabled", "stateless",
					     "stateful", "full" };

	(void)w;
	(void)s;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], value) == 0)
			return 0;
	return why_set(why, -EINVAL,
		       "it is disabled, stateless, stateful or full");
}

/* ---- interfaces ----------------------------------------------------------------- */

static int take_field(const char *key, const char *v, struct spec_netif *n,
		      struct why *why)
{
	int r = 0;

	if (!*v)
		return 0;
	if (strcmp(key, "ifname") == 0) {
		r = ctvalue_ifname(v, n->name, why);
	} else if (strcmp(key, "host_ifname") == 0) {
		r = ctvalue_ifname(v, n->host_name, why);
	} else if (strcmp(key, "bridge") == 0) {
		r = ctvalue_ifname(v, n->bridge, why);
	} else if (strcmp(key, "mac") == 0) {
		r = ctvalue_mac(v, n->mac, why);
		n->has_mac = r == 0;
	} else if (strcmp(key, "host_mac") == 0) {
		r = ctvalue_mac(v, n->host_mac, why);
		n->has_host_mac = r == 0;
	}
	return r;
}

int ctmean_one_netif(const char *part, struct spec_netif *out, struct why *why)
{
	struct spec_netif n = { .has_mac = false };
	char field[128];
	int r;

	while ((r = ctvalue_next(&part, ",", field, sizeof(field))) > 0) {
		char *equal = strchr(field, '=');

		if (!equal)
			return why_set(why, -EINVAL,
				       "'%.80s': it is fields as ifname=eth0",
				       field);
		*equal = '\0';
		r = take_field(field, equal + 1, &n, why);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return why_set(why, -EINVAL, "one of its fields is too long");
	if (!n.name[0])
		return why_set(why, -EINVAL, "an interface has no ifname");
	if (strcmp(n.name, "lo") == 0 || strcmp(n.name, "venet0") == 0)
		return why_set(why, -EINVAL,
			       "'%s' is there without a word: take another "
			       "name",
			       n.name);
	*out = n;
	return 0;
}

CTMEAN(netif)
{
	char part[512];
	int r;

	(void)w;
	while ((r = ctvalue_next(&value, ";", part, sizeof(part))) > 0) {
		struct spec_netif n, *more;

		r = ctmean_one_netif(part, &n, why);
		if (r < 0)
			return r;
		for (size_t i = 0; i < s->net.n_netif; i++)
			if (strcmp(s->net.netif[i].name, n.name) == 0)
				return why_set(why, -EINVAL,
					       "there are two interfaces '%s'",
					       n.name);
		more = reallocarray(s->net.netif, s->net.n_netif + 1,
				    sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->net.netif = more;
		s->net.netif[s->net.n_netif++] = n;
	}
	return r < 0 ? why_set(why, -EINVAL, "one of its parts is too long")
		     : 0;
}
