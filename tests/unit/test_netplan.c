/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fs/base/cleanup.h"
#include "tools/ct/netip.h"
#include "tools/ct/netplan.h"

/* ---- addresses ------------------------------------------------------------ */

START_TEST(addresses_in_and_out)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
		int family;
		unsigned prefix;
	} rows[] = {
		{ "10.0.0.5", "10.0.0.5", AF_INET, 32 },
		{ "10.0.0.5/32", "10.0.0.5", AF_INET, 32 },
		{ "10.0.0.5/24", "10.0.0.5/24", AF_INET, 24 },
		{ "10.0.0.5/1", "10.0.0.5/1", AF_INET, 1 },
		{ "fd00::5", "fd00::5", AF_INET6, 128 },
		{ "FD00:0:0:0::0:5", "fd00::5", AF_INET6, 128 },
		{ "fd00::5/128", "fd00::5", AF_INET6, 128 },
		{ "fd00::5/64", "fd00::5/64", AF_INET6, 64 },
		{ "::", "::", AF_INET6, 128 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/127",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", AF_INET6,
		  127 },
		{ "", NULL, 0, 0 },
		{ "/", NULL, 0, 0 },
		{ "/24", NULL, 0, 0 },
		{ "10.0.0.5/", NULL, 0, 0 },
		{ "10.0.0.5/0", NULL, 0, 0 },
		{ "10.0.0.5/33", NULL, 0, 0 },
		{ "10.0.0.5/24/24", NULL, 0, 0 },
		{ "10.0.0.5/-1", NULL, 0, 0 },
		{ "10.0.0.5/ 8", NULL, 0, 0 },
		{ "10.0.0.5 ", NULL, 0, 0 },
		{ " 10.0.0.5", NULL, 0, 0 },
		{ "10.0.0", NULL, 0, 0 },
		{ "10.0.0.256", NULL, 0, 0 },
		{ "10.0.0.05", NULL, 0, 0 },
		{ "0x0a000005", NULL, 0, 0 },
		{ "167772165", NULL, 0, 0 },
		{ "fd00::5/129", NULL, 0, 0 },
		{ "fd00::5::1", NULL, 0, 0 },
		{ "fe80::1%eth0", NULL, 0, 0 },
		{ "host.example.org", NULL, 0, 0 },
		{ "11111111111111111111111111111111111111111111111111111111111"
		  "11111111111111111",
		  NULL, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spec_ip ip = { .family = 77, .prefix = 7 };
		char text[NETIP_TEXT];

		unit_row(rows[i].in);
		if (!rows[i].out) {
			ck_assert_int_eq(netip_parse(rows[i].in, &ip), -EINVAL);
			ck_assert_int_eq(ip.family, 77);
			continue;
		}
		ck_assert_int_eq(netip_parse(rows[i].in, &ip), 0);
		ck_assert_int_eq(ip.family, rows[i].family);
		ck_assert_uint_eq(ip.prefix, rows[i].prefix);
		ck_assert_str_eq(netip_print(&ip, text), rows[i].out);
	}
}
END_TEST

START_TEST(addresses_of_machines)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "10.0.0.5", true },
		{ "1.0.0.0", true },
		{ "223.255.255.255", true },
		{ "169.253.255.255", true },
		{ "169.255.0.1", true },
		{ "fd00::5", true },
		{ "2001:db8::1", true },
		{ "::2", true },
		{ "fec0::1", true },
		{ "0.0.0.0", false },
		{ "0.1.2.3", false },
		{ "127.0.0.1", false },
		{ "127.255.0.1", false },
		{ "169.254.0.1", false },
		{ "224.0.0.1", false },
		{ "239.1.1.1", false },
		{ "255.255.255.255", false },
		{ "::", false },
		{ "::1", false },
		{ "::ffff:10.0.0.5", false },
		{ "fe80::1", false },
		{ "febf::1", false },
		{ "ff02::1", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spec_ip ip;

		unit_row(rows[i].text);
		ck_assert_int_eq(netip_parse(rows[i].text, &ip), 0);
		ck_assert_int_eq(netip_fault(&ip) == NULL, rows[i].good);
	}
	ck_assert_ptr_nonnull(netip_fault(&(struct spec_ip){ .family = 1 }));
}
END_TEST

START_TEST(same_addresses)
{
	struct spec_ip a, b;

	ck_assert_int_eq(netip_parse("10.0.0.5", &a), 0);
	ck_assert_int_eq(netip_parse("10.0.0.5/24", &b), 0);
	ck_assert(netip_same(&a, &b));
	ck_assert_int_eq(netip_parse("10.0.0.6", &b), 0);
	ck_assert(!netip_same(&a, &b));
	/* the same bytes, another family */
	ck_assert_int_eq(netip_parse("a00:5::", &b), 0);
	ck_assert(!netip_same(&a, &b));
}
END_TEST

/* ---- plans ---------------------------------------------------------------- */

START_TEST(names_on_the_host)
{
	static const struct {
		const char *inside, *given, *name, *out;
	} rows[] = {
		{ "eth0", "", "101", "ve101.0" },
		{ "eth12", "", "101", "ve101.12" },
		{ "lan", "", "101", "ve101.0" },
		{ "a1b", "", "101", "ve101.0" },
		{ "3", "", "101", "ve101.3" },
		{ "eth0", "mine", "101", "mine" },
		{ "eth9", "", "abcdefghijk", "veabcdefghijk.9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spec_netif f = { 0 };
		char out[IFNAMSIZ];

		unit_row(rows[i].inside);
		snprintf(f.name, sizeof(f.name), "%s", rows[i].inside);
		snprintf(f.host_name, sizeof(f.host_name), "%s", rows[i].given);
		netplan_host_name(&f, rows[i].name, out);
		ck_assert_str_eq(out, rows[i].out);
		ck_assert_int_eq(netplan_is_name(out, rows[i].name),
				 !rows[i].given[0]);
	}
	ck_assert(netplan_is_name("ve101", "101"));
	ck_assert(!netplan_is_name("ve1011", "101"));
	ck_assert(!netplan_is_name("ve101.", "101"));
	ck_assert(!netplan_is_name("ve101.1a", "101"));
	ck_assert(!netplan_is_name("ve10", "101"));
	ck_assert(!netplan_is_name("eth0", "101"));
}
END_TEST

/* "NAME,HOST,BRIDGE,MAC,HOSTMAC"; a MAC is its last byte, or "bad". */
static void make_netif(struct spec_netif *f, const char *text)
{
	char word[5][64] = { "", "", "", "", "" };
	size_t n = 0, k = 0;

	for (; *text; text++) {
		if (*text == ',') {
			n++;
			k = 0;
			continue;
		}
		ck_assert(n < 5 && k < sizeof(word[n]) - 1);
		word[n][k++] = *text;
	}
	memset(f, 0, sizeof(*f));
	memcpy(f->name, word[0], IFNAMSIZ);
	memcpy(f->host_name, word[1], IFNAMSIZ);
	memcpy(f->bridge, word[2], IFNAMSIZ);
	f->has_mac = word[3][0] != '\0';
	f->has_host_mac = word[4][0] != '\0';
	f->mac[0] = strcmp(word[3], "bad") == 0 ? 1 : 2;
	f->mac[5] = (uint8_t)word[3][0];
	f->host_mac[0] = strcmp(word[4], "bad") == 0 ? 1 : 2;
	f->host_mac[5] = (uint8_t)word[4][0];
}

START_TEST(plans)
{
	static const struct {
		const char *name;
		const char *ip[3], *netif[3];
		int r;
		const char *why;
	} rows[] = {
		{ "1", { NULL }, { NULL }, 0, NULL },
		{ "101", { "10.0.0.5", "fd00::5" }, { "eth0" }, 0, NULL },
		{ "101", { "10.0.0.5/24" }, { "eth0", "eth1" }, 0, NULL },
		{ "abcdefghijk", { "10.0.0.5" }, { "eth9" }, 0, NULL },
		{ "", { NULL }, { NULL }, -EINVAL, "''" },
		{ "abcdefghijkl", { NULL }, { NULL }, -EINVAL, "abcdefghijkl" },
		{ "A", { NULL }, { NULL }, -EINVAL, "'A'" },
		{ "a.b", { NULL }, { NULL }, -EINVAL, "'a.b'" },
		{ "a/b", { NULL }, { NULL }, -EINVAL, "'a/b'" },
		{ "1", { "10.0.0.5", "10.0.0.5" }, { 0 }, -EINVAL, "twice" },
		{ "1", { "10.0.0.5", "10.0.0.5/8" }, { 0 }, -EINVAL, "twice" },
		{ "1",
		  { "fd00::5", "10.0.0.5", "fd00::5" },
		  { 0 },
		  -EINVAL,
		  "fd00::5" },
		{ "1", { "127.0.0.1" }, { 0 }, -EINVAL, "loopback" },
		{ "1", { 0 }, { "eth0", "eth0" }, -EINVAL, "twice" },
		{ "1", { 0 }, { "eth0", "wan0" }, -EINVAL, "ve1.0" },
		{ "1", { 0 }, { "eth0", "wan0,vex" }, 0, NULL },
		{ "1", { 0 }, { "eth0,x", "eth1,x" }, -EINVAL, "both be x" },
		{ "1", { 0 }, { "eth0,ve1" }, -EINVAL, "routed" },
		{ "1", { 0 }, { "lo" }, -EINVAL, "'lo'" },
		{ "1", { 0 }, { "venet0" }, -EINVAL, "'venet0'" },
		{ "1", { 0 }, { "eth0,lo" }, -EINVAL, "'lo'" },
		{ "1", { 0 }, { "" }, -EINVAL, "''" },
		{ "1", { 0 }, { "." }, -EINVAL, "'.'" },
		{ "1", { 0 }, { ".." }, -EINVAL, "'..'" },
		{ "1", { 0 }, { "a b" }, -EINVAL, "'a b'" },
		{ "1", { 0 }, { "a/b" }, -EINVAL, "'a/b'" },
		{ "1", { 0 }, { "eth%d" }, -EINVAL, "'eth%d'" },
		{ "1", { 0 }, { "eth0,v%d" }, -EINVAL, "'v%d'" },
		{ "1", { 0 }, { "eth0,,br/0" }, -EINVAL, "'br/0'" },
		{ "1", { 0 }, { "eth0,,br0,a,b" }, 0, NULL },
		{ "1", { 0 }, { "eth0,,,bad" }, -EINVAL, "MAC" },
		{ "1", { 0 }, { "eth0,,,,bad" }, -EINVAL, "MAC" },
		{ "1", { 0 }, { "eth0,,,a,a" }, -EINVAL, "both ends" },
		{ "1", { 0 }, { "eth0,,,a", "eth1,,,a" }, -EINVAL, "MAC" },
		{ "1", { 0 }, { "eth0,,,a", "eth1,,,,a" }, -EINVAL, "MAC" },
		{ "1", { 0 }, { "eth0,,,,a", "eth1,,,a" }, -EINVAL, "MAC" },
		{ "1", { 0 }, { "eth0,,,,a", "eth1,,,,a" }, -EINVAL, "MAC" },
		{ "abcdefghijk",
		  { 0 },
		  { "eth10" },
		  -ENAMETOOLONG,
		  "veabcdefghijk.10" },
		{ "1", { 0 }, { "e12345678901234" }, -ENAMETOOLONG, "ve1.12" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spec_netif netif[3];
		struct spec_ip ip[3];
		struct spec_net n = { .netif = netif, .ip = ip };
		struct why why = { "" };

		unit_row(rows[i].netif[0] ? rows[i].netif[0] : rows[i].ip[0]);
		while (n.n_ip < 3 && rows[i].ip[n.n_ip]) {
			ck_assert_int_eq(netip_parse(rows[i].ip[n.n_ip],
						     &ip[n.n_ip]),
					 0);
			n.n_ip++;
		}
		while (n.n_netif < 3 && rows[i].netif[n.n_netif]) {
			make_netif(&netif[n.n_netif], rows[i].netif[n.n_netif]);
			n.n_netif++;
		}
		ck_assert_int_eq(netplan_check(&n, rows[i].name, &why),
				 rows[i].r);
		if (rows[i].why)
			ck_assert_ptr_nonnull(strstr(why.text, rows[i].why));
		else
			ck_assert_str_eq(why.text, "");
	}
}
END_TEST

START_TEST(plans_without_a_network)
{
	struct spec_netif netif = { .name = "eth0" };
	struct spec_net n = { .mode = SPEC_NET_NONE };
	struct spec_ip ip;

	ck_assert_int_eq(netip_parse("10.0.0.5", &ip), 0);
	ck_assert_int_eq(netplan_check(&n, "1", NULL), 0);
	n.ip = &ip;
	n.n_ip = 1;
	ck_assert_int_eq(netplan_check(&n, "1", NULL), -EINVAL);
	ck_assert(netplan_has_ip(&n, &ip));
	ck_assert(netplan_has_family(&n, AF_INET));
	ck_assert(!netplan_has_family(&n, AF_INET6));
	n.n_ip = 0;
	ck_assert(!netplan_has_ip(&n, &ip));
	n.netif = &netif;
	n.n_netif = 1;
	n.mode = SPEC_NET_HOST;
	ck_assert_int_eq(netplan_check(&n, "1", NULL), -EINVAL);
	ck_assert_ptr_eq(netplan_find(&n, "eth0"), &netif);
	ck_assert_ptr_null(netplan_find(&n, "eth1"));
}
END_TEST

Suite *test_netplan_suite(void)
{
	Suite *s = suite_create("netplan");
	TCase *t = tcase_create("netplan");

	tcase_add_test(t, addresses_in_and_out);
	tcase_add_test(t, addresses_of_machines);
	tcase_add_test(t, same_addresses);
	tcase_add_test(t, names_on_the_host);
	tcase_add_test(t, plans);
	tcase_add_test(t, plans_without_a_network);
	suite_add_tcase(s, t);
	return s;
}
