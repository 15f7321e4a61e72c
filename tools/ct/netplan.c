/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/netplan.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/ct/netip.h"

void netplan_routed_name(const char *name, char out[IFNAMSIZ])
{
	snprintf(out, IFNAMSIZ, "ve%.*s", (int)NETPLAN_NAME_MAX, name);
}

/* As it would be, however long; returns its length. */
static size_t host_name(const struct spec_netif *f, const char *name, char *out,
			size_t size)
{
	const char *number = f->name + strlen(f->name);

	if (f->host_name[0])
		return (size_t)snprintf(out, size, "%s", f->host_name);
	while (number > f->name && isdigit((unsigned char)number[-1]))
		number--;
	return (size_t)snprintf(out, size, "ve%s.%s", name,
				*number ? number : "0");
}

void netplan_host_name(const struct spec_netif *f, const char *name,
		       char out[IFNAMSIZ])
{
	host_name(f, name, out, IFNAMSIZ);
}

bool netplan_is_name(const char *interface, const char *name)
{
	size_t len = strlen(name);
	const char *p = interface + 2;

	if (strncmp(interface, "ve", 2) != 0 || strncmp(p, name, len) != 0)
		return false;
	p += len;
	if (!*p)
		return true;
	return *p == '.' && p[1] && p[1 + strspn(p + 1, "0123456789")] == '\0';
}

bool netplan_has_ip(const struct spec_net *n, const struct spec_ip *ip)
{
	for (size_t i = 0; i < n->n_ip; i++)
		if (netip_same(&n->ip[i], ip))
			return true;
	return false;
}

const struct spec_netif *netplan_find(const struct spec_net *n,
				      const char *inside)
{
	for (size_t i = 0; i < n->n_netif; i++)
		if (strcmp(n->netif[i].name, inside) == 0)
			return &n->netif[i];
	return NULL;
}

bool netplan_has_family(const struct spec_net *n, int family)
{
	for (size_t i = 0; i < n->n_ip; i++)
		if (n->ip[i].family == family)
			return true;
	return false;
}

/* ---- checks --------------------------------------------------------------- */

/* What the kernel takes as a name and no pattern; printable besides. */
static bool is_interface_name(const char *s)
{
	size_t len = strnlen(s, IFNAMSIZ);

	if (len == 0 || len >= IFNAMSIZ || strcmp(s, ".") == 0 ||
	    strcmp(s, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("/:%", s[i]))
			return false;
	return true;
}

static bool is_container_name(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > NETPLAN_NAME_MAX)
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == len;
}

static bool is_mac(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6) != 0;
}

static int check_ips(const struct spec_net *n, struct why *why)
{
	char text[NETIP_TEXT];

	for (size_t i = 0; i < n->n_ip; i++) {
		const char *fault = netip_fault(&n->ip[i]);

		netip_print(&n->ip[i], text);
		if (fault)
			return why_set(why, -EINVAL,
				       "%s is %s, not a container's", text,
				       fault);
		for (size_t k = 0; k < i; k++)
			if (netip_same(&n->ip[k], &n->ip[i]))
				return why_set(why, -EINVAL,
					       "address %s is given twice",
					       text);
	}
	return 0;
}

static int check_one(const struct spec_netif *f, const char *name,
		     struct why *why)
{
	char host[64];

	if (!is_interface_name(f->name))
		return why_set(why, -EINVAL, "'%s' is no interface's name",
			       f->name);
	if (strcmp(f->name, "lo") == 0 || strcmp(f->name, NETPLAN_ROUTED) == 0)
		return why_set(why, -EINVAL,
			       "'%s' is an interface that each container has",
			       f->name);
	if (host_name(f, name, host, sizeof(host)) >= IFNAMSIZ)
		return why_set(why, -ENAMETOOLONG,
			       "interface %s: its name on the host, %s, has "
			       "more than %d characters: give a shorter one",
			       f->name, host, IFNAMSIZ - 1);
	if (!is_interface_name(host) || strcmp(host, "lo") == 0)
		return why_set(why, -EINVAL,
			       "interface %s: '%s' is no name for its end on "
			       "the host",
			       f->name, host);
	if (f->bridge[0] && !is_interface_name(f->bridge))
		return why_set(why, -EINVAL, "'%s' is no bridge's name",
			       f->bridge);
	if ((f->has_mac && !is_mac(f->mac)) ||
	    (f->has_host_mac && !is_mac(f->host_mac)))
		return why_set(why, -EINVAL,
			       "interface %s: its MAC is not one machine's",
			       f->name);
	return 0;
}

/* Do the given ones of `a` come again in `b`? */
static bool share_mac(const struct spec_netif *a, const struct spec_netif *b)
{
	return (a->has_mac && b->has_mac && !memcmp(a->mac, b->mac, 6)) ||
	       (a->has_mac && b->has_host_mac &&
		!memcmp(a->mac, b->host_mac, 6)) ||
	       (a->has_host_mac && b->has_mac &&
		!memcmp(a->host_mac, b->mac, 6)) ||
	       (a->has_host_mac && b->has_host_mac &&
		!memcmp(a->host_mac, b->host_mac, 6));
}

static int check_pair(const struct spec_netif *a, const struct spec_netif *b,
		      const char *name, struct why *why)
{
	char one[IFNAMSIZ], two[IFNAMSIZ];

	netplan_host_name(a, name, one);
	netplan_host_name(b, name, two);
	if (strcmp(a->name, b->name) == 0)
		return why_set(why, -EINVAL, "interface %s is given twice",
			       a->name);
	if (strcmp(one, two) == 0)
		return why_set(why, -EINVAL,
			       "interfaces %s and %s would both be %s on the "
			       "host: give one another name there",
			       a->name, b->name, one);
	if (share_mac(a, b))
		return why_set(why, -EINVAL,
			       "interfaces %s and %s have the same MAC",
			       a->name, b->name);
	return 0;
}

static int check_netifs(const struct spec_net *n, const char *name,
			struct why *why)
{
	char routed[IFNAMSIZ], host[IFNAMSIZ];
	int r = 0;

	netplan_routed_name(name, routed);
	for (size_t i = 0; r == 0 && i < n->n_netif; i++) {
		const struct spec_netif *f = &n->netif[i];

		r = check_one(f, name, why);
		if (r < 0)
			return r;
		netplan_host_name(f, name, host);
		if (strcmp(host, routed) == 0)
			return why_set(why, -EINVAL,
				       "interface %s: %s on the host is for "
				       "routed addresses",
				       f->name, host);
		if (f->has_mac && f->has_host_mac &&
		    memcmp(f->mac, f->host_mac, 6) == 0)
			return why_set(why, -EINVAL,
				       "interface %s: both ends have the same "
				       "MAC",
				       f->name);
		for (size_t k = 0; r == 0 && k < i; k++)
			r = check_pair(&n->netif[k], f, name, why);
	}
	return r;
}

int netplan_check(const struct spec_net *n, const char *name, struct why *why)
{
	int r;

	if (!is_container_name(name))
		return why_set(why, -EINVAL,
			       "'%s' is no name for interfaces on the host",
			       name);
	if (n->mode != SPEC_NET_PRIVATE && (n->n_ip || n->n_netif))
		return why_set(why, -EINVAL,
			       "addresses and interfaces need a network of the "
			       "container's own, and NET is %s: --net private "
			       "gives it one, --ipdel all and --netif_del all "
			       "take them away",
			       n->mode == SPEC_NET_HOST ? "host" : "none");
	r = check_ips(n, why);
	return r < 0 ? r : check_netifs(n, name, why);
}
