/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/conflines.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ct/idrange.h"
#include "tools/ctwords.h"

#define UNLIMITED SPEC_UNLIMITED
#define MiB (1ull << 20)

static int parse(const char *own, const char *global, struct spec *s,
		 struct why *why)
{
	struct conf *a = conflines_new(own), *b = conflines_new(global);
	int r = ctwords_parse(a, b, "101", s, why);

	conf_free(a);
	conf_free(b);
	return r;
}

/* ---- lines: what they mean --------------------------------------------------- */

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static const struct {
	const char *lines;
	enum spec_number number;
	uint64_t value;
	bool in_pages;
} limits[] = {
	{ "CPUUNITS=8", SPEC_CPUUNITS, 8, false },
	{ "CPUUNITS=500000", SPEC_CPUUNITS, 500000, false },
	{ "CPULIMIT=50", SPEC_CPULIMIT, 50, false },
	{ "CPULIMIT=150%", SPEC_CPULIMIT, 150, false },
	{ "CPULIMIT=0", SPEC_CPULIMIT, UNLIMITED, false },
	{ "CPULIMIT=unlimited", SPEC_CPULIMIT, UNLIMITED, false },
	{ "CPUS=2", SPEC_CPULIMIT, 200, false },
	{ "CPUS=2\nCPULIMIT=50", SPEC_CPULIMIT, 50, false },
	{ "CPULIMIT=300\nCPUS=2", SPEC_CPULIMIT, 200, false },
	{ "CPULIMIT=0\nCPUS=2", SPEC_CPULIMIT, 200, false },
	{ "CPULIMIT=30\nCPUS=unlimited", SPEC_CPULIMIT, 30, false },
	{ "PHYSPAGES=0:65536", SPEC_RAM, 65536, true },
	{ "PHYSPAGES=65536", SPEC_RAM, 65536, true },
	{ "PHYSPAGES=0:512M", SPEC_RAM, 512 * MiB, false },
	{ "PHYSPAGES=0:1024P", SPEC_RAM, 1024, true },
	{ "PHYSPAGES=0:2g", SPEC_RAM, 2048 * MiB, false },
	{ "PHYSPAGES=0:unlimited", SPEC_RAM, UNLIMITED, false },
	{ "PHYSPAGES=0:9223372036854775807", SPEC_RAM, UNLIMITED, false },
	{ "PHYSPAGES=0:2147483647", SPEC_RAM, UNLIMITED, false },
	{ "SWAPPAGES=0:0", SPEC_SWAP, 0, false },
	{ "SWAPPAGES=0:1T", SPEC_SWAP, MiB *MiB, false },
	{ "NUMPROC=100", SPEC_NUMPROC, 100, false },
	{ "NUMPROC=100:200", SPEC_NUMPROC, 200, false },
	{ "NUMPROC=4194305", SPEC_NUMPROC, UNLIMITED, false },
	{ "NUMPROC=unlimited:unlimited", SPEC_NUMPROC, UNLIMITED, false },
	{ "IOPRIO=0", SPEC_IOPRIO, 0, false },
	{ "IOPRIO=7", SPEC_IOPRIO, 7, false },
	{ "IOLIMIT=10485760", SPEC_IOLIMIT, 10 * MiB, false },
	{ "IOLIMIT=10M", SPEC_IOLIMIT, 10 * MiB, false },
	{ "IOLIMIT=0", SPEC_IOLIMIT, UNLIMITED, false },
	{ "IOPSLIMIT=500", SPEC_IOPSLIMIT, 500, false },
	{ "IOPSLIMIT=0", SPEC_IOPSLIMIT, UNLIMITED, false },
};

START_TEST(limits_are_understood)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t want = limits[i].value;
		struct why why = { "" };
		struct spec s;

		unit_row(limits[i].lines);
		ck_assert_int_eq(parse(limits[i].lines, "", &s, &why), 0);
		ck_assert_str_eq(why.text, "");
		ck_assert_uint_eq(s.limits.given, 1u << limits[i].number);
		ck_assert_uint_eq(s.limits.number[limits[i].number],
				  limits[i].in_pages ? want * PAGE : want);
		spec_free(&s);
	}
}
END_TEST

/* Said about each: the line, and a word of what is allowed. */
static const struct {
	const char *line, *told;
	int err;
} wrong[] = {
	{ "HOSTNAME=a b", "letters", EINVAL },
	{ "HOSTNAME=-a", "letters", EINVAL },
	{ "HOSTNAME=aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffffff"
	  "fffgggggg",
	  "64", ERANGE },
	{ "NAME=17", "letter", EINVAL },
	{ "NAME=a/b", "name", EINVAL },
	{ "ONBOOT=maybe", "yes or no", EINVAL },
	{ "BOOTORDER=-1", "number", EINVAL },
	{ "BOOTORDER=4294967296", "4294967295", ERANGE },
	{ "DISABLED=2", "yes or no", EINVAL },
	{ "STOP_TIMEOUT=86401", "86400", ERANGE },
	{ "INIT=init", "absolute", EINVAL },
	{ "INIT=/bin/sh -c 'x", "no end", EINVAL },
	{ "USERNS=perhaps", "yes or no", EINVAL },
	{ "CPUUNITS=7", "from 8 to 500000", ERANGE },
	{ "CPUUNITS=500001", "from 8 to 500000", ERANGE },
	{ "CPUUNITS=x", "from 8 to 500000", EINVAL },
	{ "CPULIMIT=-1", "unlimited", EINVAL },
	{ "CPULIMIT=5%%", "unlimited", EINVAL },
	{ "CPULIMIT=1000001", "1000000", ERANGE },
	{ "CPUS=1.5", "10000", EINVAL },
	{ "CPUMASK=3-1", "0-3,8", EINVAL },
	{ "CPUMASK=1,", "0-3,8", EINVAL },
	{ "CPUMASK=9999", "0-3,8", EINVAL },
	{ "NODEMASK=a", "0-3,8", EINVAL },
	{ "PHYSPAGES=0", "1048576 bytes", ERANGE },
	{ "PHYSPAGES=2:1", "above the limit", ERANGE },
	{ "PHYSPAGES=1:2:3", "BARRIER", EINVAL },
	{ "PHYSPAGES=1X", "BARRIER", EINVAL },
	{ "SWAPPAGES=:", "BARRIER", EINVAL },
	{ "NUMPROC=0", "1 is the lowest", ERANGE },
	{ "NUMPROC=10K", "BARRIER", EINVAL },
	{ "IOPRIO=8", "from 0 to 7", ERANGE },
	{ "IOLIMIT=fast", "unlimited", EINVAL },
	{ "IOPSLIMIT=4294967296", "unlimited", ERANGE },
	{ "KMEMSIZE=1:0", "above the limit", ERANGE },
	{ "NUMFILE=1M", "BARRIER", EINVAL },
	{ "DCACHESIZE=a:b", "B K M G T", EINVAL },
	{ "NET=bridge", "private, none or host", EINVAL },
	{ "IP_ADDRESS=10.0.0", "10.0.0.5", EINVAL },
	{ "IP_ADDRESS=10.0.0.1 10.0.0.300", "10.0.0.300", EINVAL },
	{ "NAMESERVER=dns.example", "inherit", EINVAL },
	{ "NAMESERVER=9.9.9.9 inherit", "inherit", EINVAL },
	{ "SEARCHDOMAIN=a.example -b", "letters", EINVAL },
	{ "NETIF=eth0", "ifname=eth0", EINVAL },
	{ "NETIF=mac=02:00:00:00:00:01", "ifname", EINVAL },
	{ "NETIF=ifname=eth0,mac=1:2", "02:00:5e", EINVAL },
	{ "NETIF=ifname=eth0,mac=03:00:00:00:00:01", "02:00:5e", EINVAL },
	{ "NETIF=ifname=abcdefghijklmnop", "15", EINVAL },
	{ "NETIF=ifname=eth0;ifname=eth0", "two interfaces", EINVAL },
	{ "NETIF=ifname=venet0", "another name", EINVAL },
	{ "NETIF=ifname=a/b", "interface's name", EINVAL },
	{ "DEVNODES=null", "fuse:rw", EINVAL },
	{ "DEVNODES=../etc/passwd:r", "below /dev", EINVAL },
	{ "DEVNODES=/dev/null:r", "below /dev", EINVAL },
	{ "DEVNODES=null:x", "fuse:rw", EINVAL },
	{ "DEVNODES=no-such-device:rw", "/dev/no-such-device", ENOENT },
	{ "DEVNODES=shm:rw", "no device", EINVAL },
	{ "DEVICES=x:1:2:rw", "b or c", EINVAL },
	{ "DEVICES=c:1:rw", "b or c", EINVAL },
	{ "DEVICES=c:1:3", "b or c", EINVAL },
	{ "DEVICES=b:8:all:rw", "b or c", EINVAL },
	{ "CAPABILITY=net_admin", ":on or :off", EINVAL },
	{ "CAPABILITY=fly:on", "capabilities(7)", EINVAL },
	{ "FEATURES=fuse:maybe", ":on or :off", EINVAL },
	{ "FEATURES=flying:on", "fuse, tun", EINVAL },
	{ "UIDBASE=x", "number", EINVAL },
	{ "UIDBASE=4294967295", "number", ERANGE },
	{ "USERNS=on", "--userns on --save", EINVAL },
};

START_TEST(wrong_lines_are_told)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		size_t len = strcspn(wrong[i].line, "=");
		struct why why = { "" };
		char key[32];
		struct spec s;

		unit_row(wrong[i].line);
		ck_assert_int_eq(parse(wrong[i].line, "", &s, &why),
				 -wrong[i].err);
		snprintf(key, sizeof(key), "%.*s in its vefs.conf", (int)len,
			 wrong[i].line);
		ck_assert_ptr_nonnull(strstr(why.text, "container 101"));
		ck_assert_ptr_nonnull(strstr(why.text, key));
		ck_assert_ptr_nonnull(strstr(why.text, wrong[i].told));
		spec_free(&s);
	}
}
END_TEST

START_TEST(a_wrong_line_hides_no_other)
{
	struct why why = { "" };
	struct spec s;

	ck_assert_int_eq(parse("CPUUNITS=x\nHOSTNAME=web", "", &s, &why),
			 -EINVAL);
	ck_assert_str_eq(s.hostname, "web");
	spec_free(&s);
	ck_assert_int_eq(parse("UNKNOWN=x\nVE_LAYOUT=simfs", "", &s, &why), 0);
	ck_assert_uint_eq(s.stop_timeout, 120);
	ck_assert(s.sysinfo && s.quotactl && !s.fuse && !s.io_uring);
	spec_free(&s);
}
END_TEST

START_TEST(words_are_understood)
{
	struct why why = { "" };
	struct spec s;

	ck_assert_int_eq(
		parse("HOSTNAME=web.example\nSTOP_TIMEOUT=5\nCPUMASK=0-3,8\n"
		      "NODEMASK=all\nNET=none\nNAMESERVER=9.9.9.9 fd00::1\n"
		      "SEARCHDOMAIN=a.example b.example\n"
		      "INIT=/bin/sh -c \"echo 'a b'\" x\\ y\n"
		      "CAPABILITY=SYS_TIME:on CAP_NET_ADMIN:off\n"
		      "FEATURES=fuse:on nfs:on sysinfo:off tun:off "
		      "io_uring:on\n"
		      "DEVICES=c:10:200:rw b:8:1:none\nDEVNODES=null:r",
		      "", &s, &why),
		0);
	ck_assert_str_eq(why.text, "");
	ck_assert_str_eq(s.id, "101");
	ck_assert_str_eq(s.hostname, "web.example");
	ck_assert_uint_eq(s.stop_timeout, 5);
	ck_assert_str_eq(s.limits.cpumask, "0-3,8");
	ck_assert_str_eq(s.limits.nodemask, "");
	ck_assert_int_eq(s.net.mode, SPEC_NET_NONE);
	ck_assert_str_eq(s.nameserver, "9.9.9.9 fd00::1");
	ck_assert_str_eq(s.searchdomain, "a.example b.example");
	ck_assert_str_eq(s.init[0], "/bin/sh");
	ck_assert_str_eq(s.init[2], "echo 'a b'");
	ck_assert_str_eq(s.init[3], "x y");
	ck_assert_ptr_null(s.init[4]);
	ck_assert_uint_eq(s.caps_add, 1ull << 25);
	ck_assert_uint_eq(s.caps_drop, 1ull << 12);
	ck_assert(s.fuse && !s.tun && !s.sysinfo && s.quotactl && s.io_uring);
	/* null, tun's number, and what the feature needs */
	ck_assert_uint_eq(s.n_device, 3);
	ck_assert_str_eq(s.device[0].name, "null");
	ck_assert_uint_eq(s.device[0].minor, 3);
	ck_assert(s.device[0].read && !s.device[0].write);
	ck_assert_str_eq(s.device[1].name, "");
	ck_assert_uint_eq(s.device[1].minor, 200);
	ck_assert_str_eq(s.device[2].name, "fuse");
	spec_free(&s);
}
END_TEST

START_TEST(the_network_is_understood)
{
	struct why why = { "" };
	struct spec s;

	ck_assert_int_eq(
		parse("IP_ADDRESS=10.0.0.5 fd00::5/64\n"
		      "NETIF=ifname=eth0,mac=02:00:00:00:00:01,bridge=br0,"
		      "mac_filter=on;ifname=eth1,host_ifname=vethx,host_mac="
		      "02:00:00:00:00:0F",
		      "", &s, &why),
		0);
	ck_assert_uint_eq(s.net.n_ip, 2);
	ck_assert_int_eq(s.net.ip[0].family, AF_INET);
	ck_assert_int_eq(s.net.ip[0].bytes[3], 5);
	ck_assert_int_eq(s.net.ip[1].prefix, 64);
	ck_assert_uint_eq(s.net.n_netif, 2);
	ck_assert_str_eq(s.net.netif[0].name, "eth0");
	ck_assert_str_eq(s.net.netif[0].bridge, "br0");
	ck_assert(s.net.netif[0].has_mac && !s.net.netif[0].has_host_mac);
	ck_assert_str_eq(s.net.netif[1].host_name, "vethx");
	ck_assert(!s.net.netif[1].has_mac && s.net.netif[1].has_host_mac);
	ck_assert_int_eq(s.net.netif[1].host_mac[5], 15);
	spec_free(&s);
}
END_TEST

START_TEST(own_lines_come_before_global_ones)
{
	struct why why = { "" };
	struct spec s;

	ck_assert_int_eq(
		parse("CPUUNITS=100", "CPUUNITS=7\nIOPRIO=2", &s, &why), 0);
	ck_assert_uint_eq(s.limits.number[SPEC_CPUUNITS], 100);
	ck_assert_uint_eq(s.limits.number[SPEC_IOPRIO], 2);
	spec_free(&s);
	/* an empty one hides, too */
	ck_assert_int_eq(parse("IOPRIO=", "IOPRIO=2", &s, &why), 0);
	ck_assert(!spec_gives(&s.limits, SPEC_IOPRIO));
	spec_free(&s);
	ck_assert_int_eq(parse("IOPRIO=1", "CPUUNITS=7", &s, &why), -ERANGE);
	ck_assert_ptr_nonnull(strstr(why.text, "global"));
	spec_free(&s);
}
END_TEST

static const struct {
	const char *own, *global;
	uint32_t base, count;
} namespaces[] = {
	{ "HOSTNAME=old", "", 0, 0 },
	{ "UIDBASE=536870912", "", 536870912, IDRANGE_COUNT },
	{ "UIDBASE=536870912\nUSERNS=off", "", 0, 0 },
	{ "UIDBASE=536870912\nUSERNS=on", "USERNS=off", 536870912,
	  IDRANGE_COUNT },
	{ "UIDBASE=536870912", "USERNS=off", 0, 0 },
	{ "HOSTNAME=old", "USERNS=on", 0, 0 },
	{ "HOSTNAME=old", "UIDBASE=536870912", 0, 0 },
};

START_TEST(ids_of_the_host)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		struct why why = { "" };
		struct spec s;

		unit_row(namespaces[i].own);
		ck_assert_int_eq(parse(namespaces[i].own, namespaces[i].global,
				       &s, &why),
				 0);
		ck_assert_uint_eq(s.base, namespaces[i].base);
		ck_assert_uint_eq(s.count, namespaces[i].count);
		spec_free(&s);
	}
}
END_TEST

Suite *test_ctwords_suite(void)
{
	Suite *s = suite_create("ctwords");
	TCase *c = tcase_create("lines");

	tcase_add_test(c, limits_are_understood);
	tcase_add_test(c, wrong_lines_are_told);
	tcase_add_test(c, a_wrong_line_hides_no_other);
	tcase_add_test(c, words_are_understood);
	tcase_add_test(c, the_network_is_understood);
	tcase_add_test(c, own_lines_come_before_global_ones);
	tcase_add_test(c, ids_of_the_host);
	suite_add_tcase(s, c);
	return s;
}
