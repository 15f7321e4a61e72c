/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of containers that change while they run; see world.h. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "tests/unit/world.h"
#include "tools/ct/net.h"

/* ---- while it runs -------------------------------------------------------- */

START_TEST(live_changes)
{
	_cleanup_free_ char *before = NULL;

	need_world();
	world_sh(world.host, NULL,
		 "echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding;"
		 "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding;"
		 "echo 1 >/proc/sys/net/ipv6/conf/up0/proxy_ndp;"
		 "ip link add br0 address 02:00:00:00:00:99 type bridge;"
		 "echo 1 >/proc/sys/net/ipv6/conf/br0/disable_ipv6;"
		 "ip link set br0 up;"
		 "ip addr add 10.7.0.1/24 dev br0");
	before = world_everything();
	world_raise("", "101");
	world_change("", "192.0.2.5", "101");
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.5"));
	world_change("192.0.2.5", "192.0.2.5 192.0.2.6 fd99::5", "101");
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.5"));
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.6"));
	ck_assert(world_talk(world.outside, world.ct, "fd99::5"));
	world_change("192.0.2.5 192.0.2.6 fd99::5", "192.0.2.6 eth0,,br0",
		     "101");
	ck_assert(world_talk(world.outside, world.ct, "192.0.2.6"));
	ck_assert(!world_says(world.ct, "ip addr", "192.0.2.5"));
	ck_assert(!world_says(world.ct, "ip -6 addr", "fd99::5"));
	ck_assert(!world_says(world.ct, "ip -6 route", "default"));
	ck_assert(!world_says(world.host, "ip neigh show proxy", "192.0.2.5 "));
	ck_assert(!world_says(world.host, "ip -6 neigh show proxy", "fd99"));
	ck_assert(!world_says(world.host, "ip -6 addr show dev ve101",
			      "fe80::1"));
	world_sh(world.ct, NULL, "ip addr add 10.7.0.5/24 dev eth0");
	ck_assert(world_talk(world.host, world.ct, "10.7.0.5"));
	world_change("192.0.2.6 eth0,,br0", "eth0", "101");
	ck_assert(!world_says(world.ct, "ip link", "venet0"));
	ck_assert(!world_says(world.host, "ip link show ve101.0", "master"));
	/* what the container has put on it is still there */
	world_change("eth0", "eth0,,br0", "101");
	ck_assert(world_talk(world.host, world.ct, "10.7.0.5"));
	world_change("eth0,,br0", "", "101");
	ck_assert(!world_says(world.ct, "ip link", "eth0"));
	world_unchanged(before);
}
END_TEST

/* Who takes it down knows how it began. */
START_TEST(down_as_it_began)
{
	_cleanup_free_ char *before = NULL;

	need_world();
	world_sh(world.host, NULL,
		 "echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding;"
		 "echo 1 >/proc/sys/net/ipv6/conf/up0/proxy_ndp;"
		 "ip neigh add proxy 192.0.2.7 dev up0 protocol 118;"
		 "ip neigh add proxy 192.0.2.8 dev up0;"
		 "ip link add other0 type veth peer other1;"
		 "ip link set other0 up; ip link set other1 up;"
		 "ip route add 192.0.2.7 dev other0 protocol 118;"
		 "ip route add 192.0.2.8 dev other0");
	before = world_everything();
	world_raise("192.0.2.5", "101");
	world_change("192.0.2.5", "192.0.2.5 192.0.2.6 fd99::5 fd99::6", "101");
	ck_assert(world_says(world.host, "ip neigh show proxy", "192.0.2.6 "));
	world_drop("192.0.2.5", "101");
	world_unchanged(before);
}
END_TEST

START_TEST(live_macs)
{
	struct why why = { "" };
	struct world_plan p, q;

	need_world();
	world_raise("eth0", "101");
	world_plan(&p, "eth0");
	world_plan(&q, "eth0");
	q.netif[0].has_mac = q.netif[0].has_host_mac = true;
	memcpy(q.netif[0].mac, "\x02\0\0\0\0\x05", 6);
	memcpy(q.netif[0].host_mac, "\x02\0\0\0\0\x06", 6);
	ck_assert_msg(net_change(&p.n, &q.n, "101", world.ct, &why) == 0, "%s",
		      why.text);
	ck_assert(
		world_says(world.ct, "ip link show eth0", "02:00:00:00:00:05"));
	ck_assert(world_says(world.host, "ip link show ve101.0",
			     "02:00:00:00:00:06"));
	ck_assert_int_eq(world_try_change("eth0", "eth0,other", "101", &why),
			 -EBUSY);
	ck_assert_ptr_nonnull(strstr(why.text, "ve101.0"));
	world_drop("eth0", "101");
}
END_TEST

START_TEST(live_failures)
{
	static const struct {
		const char *to;
		int r;
	} rows[] = {
		{ "192.0.2.5 192.0.2.6 192.0.2.1 eth0,,br0", -EADDRINUSE },
		{ "192.0.2.6 fd99::6 eth0,,nobridge", -ENODEV },
		{ "192.0.2.6 fd99::6 eth0,,br0 eth1,up0", -EEXIST },
		{ "fd99::6 eth0 eth9", -EEXIST },
		{ "eth0,,br1 eth1,up0", -EEXIST },
		{ "192.0.2.8 fd99::8 eth0,,br1", -EADDRINUSE },
	};
	static const char now[] = "192.0.2.5 fd99::5 eth0,,br0";
	_cleanup_free_ char *before = NULL;
	_cleanup_strbuf_ struct strbuf inside = STRBUF_INIT;
	static const char look[] = "ip -o link | sed 's/<.*//'; ip -o -4 addr;"
				   "ip -6 addr show dev venet0 scope global;"
				   "ip route; ip -6 route show default";
	struct why why;

	need_world();
	world_sh(world.host, NULL,
		 "for b in br0 br1; do ip link add $b address 02:00:00:00:00:99"
		 " type bridge; ip link set $b addrgenmode none; done;"
		 "echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding;"
		 "ip -6 route add fd99::8/128 dev up0");
	world_raise(now, "101");
	world_sh(world.ct, NULL, "ip link add eth9 type bridge");
	before = world_everything();
	world_sh(world.ct, &inside, "%s", look);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_strbuf_ struct strbuf then = STRBUF_INIT;
		unit_row(rows[i].to);
		ck_assert_int_eq(world_try_change(now, rows[i].to, "101", &why),
				 rows[i].r);
		ck_assert_str_ne(why.text, "");
		world_unchanged(before);
		world_sh(world.ct, &then, "%s", look);
		ck_assert_str_eq(strbuf_get(&inside), strbuf_get(&then));
		ck_assert(world_says(world.host, "ip link show ve101.0",
				     "master br0"));
	}
	world_drop(now, "101");
}
END_TEST

/* The last step fails: a setting of the host cannot be written. */
static bool hide_setting(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       system("f=/proc/sys/net/ipv6/conf/up0/proxy_ndp &&"
		      "mount --make-rprivate / && mount --bind $f $f &&"
		      "mount -o remount,bind,ro $f") == 0;
}

START_TEST(fails_at_the_end)
{
	static const char now[] = "192.0.2.5 fd99::5 eth0,,br0";
	static const char to[] = "192.0.2.6 fd99::6 fd99::7 eth0,,br1 eth2";
	static const char look[] = "ip -o link | sed 's/<.*//'; ip -o -4 addr;"
				   "ip -6 addr show dev venet0 scope global;"
				   "ip route; ip -6 route show default";
	_cleanup_strbuf_ struct strbuf was = STRBUF_INIT, is = STRBUF_INIT;
	_cleanup_free_ char *before = NULL;
	struct why why;

	need_world();
	world_sh(world.host, NULL,
		 "for b in br0 br1; do ip link add $b address 02:00:00:00:00:99"
		 " type bridge; ip link set $b addrgenmode none; done");
	if (!hide_setting()) {
		unit_skip("no mount namespace to hide a setting in");
		return;
	}
	before = world_everything();
	ck_assert_int_eq(world_try(now, "101", &why), -EROFS);
	ck_assert_ptr_nonnull(strstr(why.text, "net.ipv6.conf.up0.proxy_ndp"));
	world_unchanged(before);
	ck_assert(!world_says(world.ct, "ip link", "venet0"));
	ck_assert(!world_says(world.ct, "ip link", "eth0"));

	/* no way leads out, so nothing is to be set */
	world_sh(world.host, NULL,
		 "ip route del default; ip addr flush dev up0;"
		 "ip -6 route del default");
	world_raise(now, "101");
	world_sh(world.host, NULL,
		 "ip addr add 192.0.2.1/24 dev up0;"
		 "ip addr add fd99::1/64 dev up0 nodad");
	free(before);
	before = world_everything();
	world_sh(world.ct, &was, "%s", look);
	ck_assert_int_eq(world_try_change(now, to, "101", &why), -EROFS);
	world_unchanged(before);
	world_sh(world.ct, &is, "%s", look);
	ck_assert_str_eq(strbuf_get(&was), strbuf_get(&is));
	ck_assert(world_says(world.host, "ip link show ve101.0", "master br0"));
	ck_assert_int_eq(world_try_change(now, "fd99::7", "101", &why), -EROFS);
	world_unchanged(before);
	world_drop(now, "101");
}
END_TEST

Suite *test_netlive_suite(void)
{
	Suite *s = suite_create("netlive");
	TCase *t = tcase_create("netlive");

	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, live_changes);
	tcase_add_test(t, down_as_it_began);
	tcase_add_test(t, live_macs);
	tcase_add_test(t, live_failures);
	tcase_add_test(t, fails_at_the_end);
	suite_add_tcase(s, t);
	return s;
}
