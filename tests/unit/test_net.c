/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of containers that come and go; see world.h. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "tests/unit/world.h"
#include "tools/ct/net.h"
#include "tools/ct/netip.h"

#define TRIES 50 /* of 100 ms */

/* ---- routed addresses ----------------------------------------------------- */

START_TEST(nothing_but_lo)
{
	struct spec_net none = { .mode = SPEC_NET_NONE };
	struct spec_net host = { .mode = SPEC_NET_HOST };
	_cleanup_free_ char *before = NULL;

	need_world();
	before = world_everything();
	ck_assert_int_eq(net_up(&none, "1", world.ct, NULL), 0);
	ck_assert(world_talk(world.ct, world.ct, "127.0.0.1"));
	ck_assert(world_talk(world.ct, world.ct, "::1"));
	ck_assert_int_eq(net_up(&host, "1", -1, NULL), 0);
	ck_assert_int_eq(net_down(&host, "1", NULL), 0);
	ck_assert_int_eq(net_down(&none, "1", NULL), 0);
	world_unchanged(before);
}
END_TEST

START_TEST(routed_ipv4)
{
	_cleanup_free_ char *before = NULL;

	need_world();
	before = world_everything();
	world_raise("192.0.2.5 192.0.2.6/24", "101");
	ck_assert(world_talk(world.host, world.ct, "192.0.2.5"));
	ck_assert(world_talk(world.host, world.ct, "192.0.2.6"));
	ck_assert(world_talk(world.ct, world.host, "192.0.2.1"));
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.5"));
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.6"));
	ck_assert(world_talk(world.ct, world.outside, "192.0.2.2"));
	/* the first is what it speaks as, and the host is not a gateway's */
	ck_assert(world_says(world.ct, "ip route get 192.0.2.2",
			     "src 192.0.2.5"));
	ck_assert(world_says(world.ct, "ip route",
			     "default via 169.254.0.1 dev venet0"));
	ck_assert(world_says(world.host, "ip route get 192.0.2.5",
			     "src 192.0.2.1"));
	ck_assert(world_says(world.ct, "ip link show venet0", "mtu 1400"));
	world_drop("192.0.2.5 192.0.2.6", "101");
	world_sh(world.host, NULL,
		 "echo 0 >/proc/sys/net/ipv4/conf/up0/forwarding");
	world_unchanged(before);
	world_drop("192.0.2.5 192.0.2.6", "101");
}
END_TEST

START_TEST(routed_ipv6)
{
	_cleanup_free_ char *before = NULL;
	struct why why = { "" };
	struct world_plan p;

	need_world();
	world_plan(&p, "192.0.2.5 fd99::5");
	ck_assert(net_advice(&p.n, &why));
	ck_assert_ptr_nonnull(strstr(why.text, "fd99::5"));
	world_plan(&p, "192.0.2.5");
	ck_assert(!net_advice(&p.n, &why));
	world_sh(world.host, NULL,
		 "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
	world_plan(&p, "fd99::5");
	ck_assert(!net_advice(&p.n, &why));

	before = world_everything();
	world_raise("fd99::5 fd99::6/64", "101");
	ck_assert(world_talk(world.host, world.ct, "fd99::5"));
	ck_assert(world_talk(world.ct, world.host, "fd99::1"));
	ck_assert(world_talk(world.outside, world.ct, "fd99::5"));
	ck_assert(world_talk(world.outside, world.ct, "fd99::6"));
	ck_assert(world_talk(world.ct, world.outside, "fd99::2"));
	ck_assert(world_says(world.ct, "ip -6 route",
			     "default via fe80::1 dev venet0"));
	world_drop("fd99::5 fd99::6", "101");
	world_sh(world.host, NULL,
		 "echo 0 >/proc/sys/net/ipv6/conf/up0/proxy_ndp");
	world_unchanged(before);
}
END_TEST

/* What a container says of itself is not believed. */
START_TEST(foreign_sources)
{
	need_world();
	world_raise("192.0.2.5", "101");
	ck_assert(world_talk(world.ct, world.outside, "192.0.2.2"));
	world_sh(world.ct, NULL,
		 "ip addr add 192.0.2.77/32 dev venet0;"
		 "ip route replace default via 169.254.0.1 src 192.0.2.77");
	ck_assert(!world_reaches(world.ct, world.outside, "192.0.2.2", 5));
	world_sh(world.ct, NULL,
		 "ip route replace default via 169.254.0.1 src 192.0.2.5");
	ck_assert(world_reaches(world.ct, world.outside, "192.0.2.2", 5));
	ck_assert(world_says(world.host,
			     "cat /proc/sys/net/ipv6/conf/ve101/accept_ra",
			     "0"));
	world_drop("192.0.2.5", "101");
}
END_TEST

START_TEST(addresses_in_use)
{
	static const struct {
		const char *words, *why;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1 is this host's own" },
		{ "192.0.2.9 fd99::1", "fd99::1 is this host's own" },
		{ "192.0.2.255", "192.0.2.255 is for all" },
		{ "192.0.2.9 192.0.2.5", "192.0.2.5 is in use" },
		{ "fd99::9 fd99::5", "fd99::5 is in use" },
		{ "198.51.100.7", "198.51.100.7 is in use" },
	};
	_cleanup_free_ char *before = NULL;
	int first, second;
	struct why why;

	need_world();
	world_sh(world.host, NULL,
		 "ip route add 198.51.100.7/32 via 192.0.2.2 metric 7");
	world_raise("192.0.2.5 fd99::5", "101");
	before = world_everything();
	first = world.ct;
	second = world_new();
	world_enter(world.host);
	world.ct = second;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unit_row(rows[i].words);
		ck_assert_int_eq(world_try(rows[i].words, "102", &why),
				 -EADDRINUSE);
		ck_assert_ptr_nonnull(strstr(why.text, rows[i].why));
		world_unchanged(before);
	}
	/* who did not come up takes nothing from those who are */
	world_drop("192.0.2.5 fd99::5", "102");
	world_unchanged(before);
	world.ct = first;
	close(second);
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.5"));
	world_drop("192.0.2.5 fd99::5", "101");
}
END_TEST

/* An answer somebody else has set up is neither ours to add nor to remove. */
START_TEST(answers_of_others)
{
	need_world();
	world_sh(world.host, NULL, "ip neigh add proxy 192.0.2.5 dev up0");
	world_raise("192.0.2.5 192.0.2.6", "101");
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.5"));
	world_drop("192.0.2.5 192.0.2.6", "101");
	ck_assert(world_says(world.host, "ip neigh show proxy", "192.0.2.5 "));
	ck_assert(!world_says(world.host, "ip neigh show proxy", "192.0.2.6 "));
}
END_TEST

START_TEST(address_without_a_network)
{
	_cleanup_free_ char *before = NULL;

	need_world();
	world_sh(world.host, NULL,
		 "ip route del default; ip -6 route del default;"
		 "ip route add blackhole 203.0.113.0/24;"
		 "ip route add unreachable fd77::/64");
	before = world_everything();
	world_raise("198.51.100.5 203.0.113.5 fd55::5 fd77::5", "101");
	ck_assert(world_talk(world.host, world.ct, "198.51.100.5"));
	ck_assert(world_talk(world.host, world.ct, "203.0.113.5"));
	ck_assert(world_talk(world.host, world.ct, "fd55::5"));
	ck_assert(world_talk(world.host, world.ct, "fd77::5"));
	world_drop("198.51.100.5 203.0.113.5 fd55::5 fd77::5", "101");
	world_unchanged(before);
}
END_TEST

/* Two ways lead there: both are answered on. */
START_TEST(two_ways)
{
	_cleanup_free_ char *before = NULL;

	need_world();
	world_sh(world.host, NULL,
		 "ip link add p0 type veth peer name p1; ip link set p0 up;"
		 "ip link set p1 up; ip addr add 10.9.0.1/24 dev p0;"
		 "ip route add 10.8.0.0/24 nexthop via 192.0.2.2"
		 " nexthop via 10.9.0.2");
	/* link-local addresses come late */
	poll(NULL, 0, 100);
	world_sh(world.host, NULL,
		 "ip -6 addr flush dev p0; ip -6 addr flush dev p1");
	before = world_everything();
	world_raise("10.8.0.5", "101");
	ck_assert(world_says(world.host, "ip neigh show proxy",
			     "10.8.0.5 dev up0"));
	ck_assert(world_says(world.host, "ip neigh show proxy",
			     "10.8.0.5 dev p0"));
	ck_assert(world_says(world.host,
			     "cat /proc/sys/net/ipv4/conf/p0/forwarding", "1"));
	world_drop("10.8.0.5", "101");
	world_sh(world.host, NULL,
		 "echo 0 >/proc/sys/net/ipv4/conf/up0/forwarding");
	world_unchanged(before);
}
END_TEST

/* ---- interfaces ----------------------------------------------------------- */

START_TEST(veth_on_a_bridge)
{
	_cleanup_free_ char *before = NULL;
	struct why why = { "" };
	struct world_plan p;

	need_world();
	world_sh(
		world.host, NULL,
		"ip link add br0 address 02:00:00:00:00:99 mtu 1450 type bridge;"
		"echo 1 >/proc/sys/net/ipv6/conf/br0/disable_ipv6;"
		"ip link set br0 up;"
		"ip addr add 10.7.0.1/24 dev br0");
	before = world_everything();
	world_plan(&p, "eth0,,br0 eth1,mine");
	p.netif[0].has_mac = true;
	memcpy(p.netif[0].mac, "\x02\0\0\0\0\x05", 6);
	p.netif[1].has_host_mac = true;
	memcpy(p.netif[1].host_mac, "\x02\0\0\0\0\x06", 6);
	ck_assert_msg(net_up(&p.n, "101", world.ct, &why) == 0, "%s", why.text);
	ck_assert(
		world_says(world.ct, "ip link show eth0", "02:00:00:00:00:05"));
	ck_assert(world_says(world.ct, "ip link show eth0", "mtu 1450"));
	ck_assert(world_says(world.ct, "ip link show eth0", ",UP"));
	ck_assert(world_says(world.ct, "ip link show eth1", ",UP"));
	ck_assert(world_says(world.host, "ip link show ve101.0", "master br0"));
	ck_assert(world_says(world.host, "ip link show ve101.0", "ether fe:"));
	ck_assert(world_says(world.host, "ip link show mine",
			     "02:00:00:00:00:06"));
	world_sh(world.ct, NULL, "ip addr add 10.7.0.5/24 dev eth0");
	ck_assert(world_talk(world.host, world.ct, "10.7.0.5"));
	ck_assert(world_talk(world.ct, world.host, "10.7.0.1"));
	/* by its mark, whoever asks */
	world_drop("", "101");
	world_unchanged(before);
}
END_TEST

START_TEST(plans_that_fail)
{
	static const struct {
		const char *words;
		int r;
		const char *why;
	} rows[] = {
		{ "eth0,,nobridge", -ENODEV, "no bridge nobridge" },
		{ "eth0,,up0", -ENODEV, "up0 is no bridge" },
		{ "192.0.2.5 eth0 eth1,up0", -EEXIST, "up0 (eth1 inside)" },
		{ "192.0.2.5 eth7,taken eth0", -EEXIST, "taken" },
		{ "192.0.2.5 fd99::5 eth9", -EEXIST, "eth9 inside" },
		{ "192.0.2.5 192.0.2.5", -EINVAL, "twice" },
		{ "eth0 eth0", -EINVAL, "twice" },
		{ "127.0.0.5 eth0", -EINVAL, "loopback" },
	};
	_cleanup_free_ char *before = NULL;
	struct why why;

	need_world();
	world_sh(
		world.host, NULL,
		"ip link add taken type bridge; ip link set taken addrgenmode none");
	world_sh(world.ct, NULL, "ip link add eth9 type bridge");
	before = world_everything();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unit_row(rows[i].words);
		ck_assert_int_eq(world_try(rows[i].words, "101", &why),
				 rows[i].r);
		ck_assert_msg(strstr(why.text, rows[i].why) != NULL, "%s",
			      why.text);
		world_unchanged(before);
		ck_assert(!world_says(world.ct, "ip link", "venet0"));
		ck_assert(!world_says(world.ct, "ip link", "eth0"));
	}
	ck_assert_int_eq(net_up(&(struct spec_net){ .n_ip = 0 }, "101", -1,
				&why),
			 -EBADF);
}
END_TEST

/* ---- afterwards ----------------------------------------------------------- */

START_TEST(after_a_crash)
{
	_cleanup_free_ char *before = NULL;
	struct why why;
	int first;

	need_world();
	world_sh(world.host, NULL,
		 "echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding");
	before = world_everything();
	/* the container lives on, nobody knows of it */
	world_raise("192.0.2.5 eth0,named eth1", "101");
	first = world.ct;
	world.ct = world_new();
	world_enter(world.host);
	world_raise("192.0.2.9 eth3", "1011");
	ck_assert_int_eq(world_try("192.0.2.6", "101", &why), -EEXIST);
	world_drop("192.0.2.5", "101");
	ck_assert(!world_says(world.host, "ip link", "ve101@"));
	ck_assert(!world_says(world.host, "ip link", "ve101.1"));
	ck_assert(!world_says(world.host, "ip link", "named"));
	ck_assert(!world_says(world.host, "ip neigh show proxy", "192.0.2.5 "));
	ck_assert(world_says(world.host, "ip link", "ve1011@"));
	ck_assert(world_says(world.host, "ip link", "ve1011.3@"));
	ck_assert(world_says(world.host, "ip neigh show proxy", "192.0.2.9 "));
	world_drop("192.0.2.9 eth3", "1011");
	world_unchanged(before);
	close(first);
}
END_TEST

/* The container's end took all with it but the answers. */
START_TEST(after_its_end)
{
	_cleanup_free_ char *before = NULL;

	need_world();
	world_sh(world.host, NULL,
		 "echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding");
	before = world_everything();
	world_raise("192.0.2.5", "101");
	world_next();
	for (int i = 0; i < TRIES && world_says(world.host, "ip link", "ve101");
	     i++)
		poll(NULL, 0, 100);
	/* somebody else has the address now: it stays reached */
	world_raise("192.0.2.5", "102");
	world_drop("192.0.2.5", "101");
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.5"));
	world_drop("192.0.2.5", "102");
	world_unchanged(before);
}
END_TEST

/* A link that is only called like one of ours is not. */
START_TEST(links_of_others)
{
	need_world();
	world_sh(world.host, NULL,
		 "ip link add ve101 type veth peer name other;"
		 "ip link add ve101.0 type bridge");
	world_drop("192.0.2.5 eth0", "101");
	ck_assert(world_says(world.host, "ip link", "ve101@"));
	ck_assert(world_says(world.host, "ip link", "ve101.0"));
}
END_TEST

START_TEST(usage)
{
	struct net_usage none, some;
	struct world_plan p;

	need_world();
	world_plan(&p, "192.0.2.5 eth0");
	net_usage(&p.n, "101", &none);
	ck_assert_uint_eq(none.received, 0);
	ck_assert_uint_eq(none.sent, 0);
	world_raise("192.0.2.5 eth0", "101");
	ck_assert(world_talk(world.host, world.ct, "192.0.2.5"));
	net_usage(&p.n, "101", &none);
	/* as the container's own end has it */
	world_sh(world.ct, NULL,
		 "r=$(cat /proc/net/dev | awk '/venet0|eth0/ { n += $2 } "
		 "END { print n }'); [ \"$r\" -ge 50 ]");
	{
		struct sockaddr_storage at;
		socklen_t len = world_address("192.0.2.5", &at);
		_cleanup_close_ int fd = world_udp(world.host, AF_INET);
		_cleanup_close_ int sink = world_udp(world.ct, AF_INET);
		static char data[1000];

		ck_assert_int_eq(bind(sink, (struct sockaddr *)&at, len), 0);
		for (int i = 0; i < 20; i++)
			ck_assert_int_eq(sendto(fd, data, sizeof(data), 0,
						(struct sockaddr *)&at, len),
					 sizeof(data));
	}
	net_usage(&p.n, "101", &some);
	ck_assert_uint_ge(some.received, none.received + 20000);
	ck_assert_uint_lt(some.sent, none.sent + 20000);
	world_drop("192.0.2.5 eth0", "101");
}
END_TEST

/* More of them than a batch holds. */
START_TEST(many_addresses)
{
	_cleanup_free_ char *before = NULL;
	static struct spec_ip ip[300];
	struct spec_net n = { .ip = ip, .n_ip = ARRAY_SIZE(ip) };
	struct why why = { "" };
	char text[64];

	need_world();
	world_sh(world.host, NULL,
		 "echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding");
	for (size_t i = 0; i < ARRAY_SIZE(ip); i++) {
		snprintf(text, sizeof(text), "10.5.%zu.%zu", i / 200,
			 1 + i % 200);
		ck_assert_int_eq(netip_parse(text, &ip[i]), 0);
	}
	before = world_everything();
	ck_assert_msg(net_up(&n, "101", world.ct, &why) == 0, "%s", why.text);
	ck_assert(world_talk(world.host, world.ct, "10.5.0.1"));
	ck_assert(world_talk(world.host, world.ct, "10.5.1.100"));
	ck_assert(world_says(world.host, "ip neigh show proxy | wc -l", "300"));
	ck_assert_int_eq(net_down(&n, "101", NULL), 0);
	world_unchanged(before);
	/* the last one fails: so do all */
	world_sh(world.host, NULL, "ip addr add 10.5.1.100/32 dev lo");
	free(before);
	world_next();
	before = world_everything();
	ck_assert_int_eq(net_up(&n, "101", world.ct, &why), -EADDRINUSE);
	world_unchanged(before);
}
END_TEST

Suite *test_net_suite(void)
{
	Suite *s = suite_create("net");
	TCase *t = tcase_create("net");

	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, nothing_but_lo);
	tcase_add_test(t, routed_ipv4);
	tcase_add_test(t, routed_ipv6);
	tcase_add_test(t, foreign_sources);
	tcase_add_test(t, addresses_in_use);
	tcase_add_test(t, answers_of_others);
	tcase_add_test(t, address_without_a_network);
	tcase_add_test(t, two_ways);
	tcase_add_test(t, veth_on_a_bridge);
	tcase_add_test(t, plans_that_fail);
	tcase_add_test(t, after_a_crash);
	tcase_add_test(t, after_its_end);
	tcase_add_test(t, links_of_others);
	tcase_add_test(t, usage);
	tcase_add_test(t, many_addresses);
	suite_add_tcase(s, t);
	return s;
}
