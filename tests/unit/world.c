/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tools/ct/netip.h"

#define PORT 4242
#define TRIES 50 /* of 100 ms */

struct world world;

int world_own(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

void world_enter(int ns)
{
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
}

int world_new(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	return world_own();
}

void world_sh(int ns, struct strbuf *out, const char *fmt, ...)
{
	int back = world_own();
	char command[2048], buf[4096];
	size_t n;
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	world_enter(ns);
	f = popen(command, "re");
	ck_assert_ptr_nonnull(f);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		if (out)
			strbuf_add(out, buf, n);
	ck_assert_msg(pclose(f) == 0, "failed: %s", command);
	world_enter(back);
	close(back);
}

bool world_says(int ns, const char *command, const char *text)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	world_sh(ns, &out, "%s", command);
	return strstr(strbuf_get(&out), text) != NULL;
}

/* All there is on the host that a container may leave behind. */
/* IPv6's link-local and local routes come when the kernel gets to it. */
char *world_everything(void)
{
	struct strbuf out = STRBUF_INIT;

	world_sh(world.host, &out,
		 "ip -o link | sed 's/<.*//' | sort;"
		 "(ip -o -4 addr; ip -o -6 addr show scope global) | sort;"
		 "(ip -4 route show table all; ip -6 route | grep -v ^fe80) |"
		 "sed 's/ linkdown//' | sort;"
		 "ip neigh show proxy | sort; ip -6 neigh show proxy | sort;"
		 "cat /proc/sys/net/ipv4/conf/up0/forwarding"
		 " /proc/sys/net/ipv6/conf/up0/proxy_ndp;"
		 "ls /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf");
	return strbuf_take(&out);
}

/* Says which line it is, if it is not so. */
void world_unchanged(const char *before)
{
	_cleanup_free_ char *after = world_everything();
	const char *a = before, *b = after;
	size_t la, lb;

	for (; *a && *b; a += la, b += lb) {
		la = strcspn(a, "\n");
		lb = strcspn(b, "\n");
		ck_assert_msg(la == lb && memcmp(a, b, la) == 0,
			      "was: %.*s, is: %.*s", (int)la, a, (int)lb, b);
		la += a[la] != '\0';
		lb += b[lb] != '\0';
	}
	ck_assert_str_eq(a, b);
}

void world_up(void)
{
	int r;

	world.machine = world_own();
	world.lack = NULL;
	if (geteuid() != 0)
		world.lack = "needs root";
	else if (system("ip -V >/dev/null 2>&1") != 0)
		world.lack = "needs iproute2 to look with";
	else if (access("/proc/sys/net/ipv6", F_OK) < 0)
		world.lack = "the kernel has no IPv6";
	else if (unshare(CLONE_NEWNET) < 0)
		world.lack = "no network namespaces";
	if (world.lack)
		return;
	r = system("ip link add x0 type veth peer name x1 2>/dev/null &&"
		   "ip link add x2 type bridge 2>/dev/null");
	world_enter(world.machine);
	if (r != 0) {
		world.lack = "the kernel has no veth or no bridge";
		return;
	}
	world.ct = world_new();
	world.outside = world_new();
	world.host = world_new();
	world_sh(
		world.host, NULL,
		"ip link set lo up;"
		"ip link add up0 type veth peer name out0 netns /proc/%d/fd/%d",
		(int)getpid(), world.outside);
	world_sh(world.outside, NULL,
		 "ip link set lo up; ip link set out0 addrgenmode none;"
		 "ip link set out0 up;"
		 "ip addr add 192.0.2.2/24 dev out0;"
		 "ip addr add fd99::2/64 dev out0 nodad");
	world_sh(
		world.host, NULL,
		"ip link set up0 addrgenmode none mtu 1400; ip link set up0 up;"
		"ip addr add 192.0.2.1/24 dev up0;"
		"ip addr add fd99::1/64 dev up0 nodad;"
		"ip route add default via 192.0.2.2;"
		"ip route add default via fd99::2 dev up0;"
		"echo 0 >/proc/sys/net/ipv4/neigh/up0/proxy_delay;"
		"echo 0 >/proc/sys/net/ipv6/neigh/up0/proxy_delay;"
		/* this one comes late */
		"for i in $(seq 100); do"
		" ip -6 route show table local | grep -q fd99::1 && exit;"
		" sleep 0.1; done; exit 1");
}

void world_down(void)
{
	if (!world.lack) {
		world_enter(world.machine);
		close(world.host);
		close(world.outside);
		close(world.ct);
	}
	close(world.machine);
}

/* ---- plans ---------------------------------------------------------------- */

static void copy_name(char out[IFNAMSIZ], const char *name)
{
	ck_assert_uint_lt(strlen(name), IFNAMSIZ);
	memcpy(out, name, strlen(name) + 1);
}

static void add_netif(struct world_plan *p, const char *word)
{
	struct spec_netif *f = &p->netif[p->n.n_netif++];
	char copy[64], *part[3] = { copy, NULL, NULL };

	memset(f, 0, sizeof(*f));
	snprintf(copy, sizeof(copy), "%s", word);
	for (int i = 1; i < 3 && part[i - 1]; i++) {
		part[i] = strchr(part[i - 1], ',');
		if (part[i])
			*part[i]++ = '\0';
	}
	copy_name(f->name, part[0]);
	if (part[1])
		copy_name(f->host_name, part[1]);
	if (part[2])
		copy_name(f->bridge, part[2]);
}

const struct spec_net *world_plan(struct world_plan *p, const char *words)
{
	char copy[256], *save, *word;

	p->n = (struct spec_net){ .ip = p->ip, .netif = p->netif };
	snprintf(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		if (netip_parse(word, &p->ip[p->n.n_ip]) == 0)
			p->n.n_ip++;
		else
			add_netif(p, word);
	}
	return &p->n;
}

int world_try(const char *words, const char *name, struct why *why)
{
	size_t fds = unit_count_fds();
	struct world_plan p;
	int r;

	why->text[0] = '\0';
	r = net_up(world_plan(&p, words), name, world.ct, why);
	ck_assert_uint_eq(unit_count_fds(), fds);
	ck_assert_int_eq(r == 0, why->text[0] == '\0');
	return r;
}

void world_raise(const char *words, const char *name)
{
	struct why why;
	int r = world_try(words, name, &why);

	ck_assert_msg(r == 0, "%s", why.text);
}

void world_drop(const char *words, const char *name)
{
	struct why why = { "" };
	struct world_plan p;
	int r = net_down(world_plan(&p, words), name, &why);

	ck_assert_msg(r == 0, "%s", why.text);
}

int world_try_change(const char *from, const char *to, const char *name,
		     struct why *why)
{
	size_t fds = unit_count_fds();
	struct world_plan p, q;
	int r;

	why->text[0] = '\0';
	r = net_change(world_plan(&p, from), world_plan(&q, to), name, world.ct,
		       why);
	ck_assert_uint_eq(unit_count_fds(), fds);
	return r;
}

void world_change(const char *from, const char *to, const char *name)
{
	struct why why;
	int r = world_try_change(from, to, name, &why);

	ck_assert_msg(r == 0, "%s", why.text);
}

/* The container is gone, and another one comes. */
void world_next(void)
{
	close(world.ct);
	world.ct = world_new();
	world_enter(world.host);
}

/* ---- packets -------------------------------------------------------------- */

int world_udp(int ns, int family)
{
	int back = world_own(), fd;

	world_enter(ns);
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	world_enter(back);
	close(back);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool arrives(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 100) == 1 && (p.revents & POLLIN);
}

socklen_t world_address(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(PORT);
		return sizeof(*v4);
	}
	ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(PORT);
	return sizeof(*v6);
}

/* From `from` to `text` in `to`, and back; `times` tries. */
/* The packet that arrived at `to` came from there. */
static bool send_until(int from, int to, const struct sockaddr *at,
		       socklen_t len, struct sockaddr_storage *peer, int times)
{
	socklen_t peer_len = sizeof(*peer);
	char buf[8];

	for (int i = 0; i < times; i++) {
		if (sendto(from, "ping", 4, 0, at, len) < 0)
			poll(NULL, 0, 100);
		else if (arrives(to))
			break;
	}
	return recvfrom(to, buf, sizeof(buf), MSG_DONTWAIT,
			(struct sockaddr *)peer, &peer_len) == 4;
}

static bool talk(int from, int to, const char *text, int times, bool answer)
{
	struct sockaddr_storage at, peer, unused;
	socklen_t len = world_address(text, &at);
	_cleanup_close_ int asks = world_udp(from, at.ss_family);
	_cleanup_close_ int answers = world_udp(to, at.ss_family);

	ck_assert_msg(bind(answers, (struct sockaddr *)&at, len) == 0, "%s: %s",
		      text, strerror(errno));
	if (!send_until(asks, answers, (struct sockaddr *)&at, len, &peer,
			times))
		return false;
	return !answer || send_until(answers, asks, (struct sockaddr *)&peer,
				     len, &unused, times);
}

bool world_talk(int from, int to, const char *text)
{
	return talk(from, to, text, TRIES, true);
}

bool world_reaches(int from, int to, const char *text, int times)
{
	return talk(from, to, text, times, false);
}
