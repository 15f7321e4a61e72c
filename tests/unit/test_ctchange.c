/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/conflines.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ctchange.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

/* Options from "name=value" words, ended by "|". */
static int apply(struct conf *c, const char *text, bool lenient,
		 struct why *why)
{
	struct cmd_word of[16];
	struct cmd_words words = { of, 0 };
	char copy[1024], *save = NULL;
	int r;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = strtok_r(copy, "|", &save); p;
	     p = strtok_r(NULL, "|", &save)) {
		char *equal = strchr(p, '=');

		*equal = '\0';
		of[words.n++] = (struct cmd_word){ p, equal + 1 };
	}
	r = ctchange_apply(c, &words, lenient, why);
	return r;
}

static const struct {
	const char *before, *options, *key, *value; /* NULL: no line */
} changes[] = {
	{ "", "hostname=web", "HOSTNAME", "web" },
	{ "HOSTNAME=old", "hostname=", "HOSTNAME", NULL },
	{ "", "name=web", "NAME", "web" },
	{ "", "description=a \"b\" \\c", "DESCRIPTION", "a \"b\" \\c" },
	{ "", "onboot=yes", "ONBOOT", "yes" },
	{ "", "bootorder=7", "BOOTORDER", "7" },
	{ "", "disabled=no", "DISABLED", "no" },
	{ "", "stop-timeout=9", "STOP_TIMEOUT", "9" },
	{ "", "stop_timeout=9", "STOP_TIMEOUT", "9" },
	{ "", "init=/bin/sh -c 'a b'", "INIT", "/bin/sh -c 'a b'" },
	{ "", "userns=off", "USERNS", "off" },
	{ "", "cpuunits=1000", "CPUUNITS", "1000" },
	{ "", "cpulimit=50%", "CPULIMIT", "50%" },
	{ "", "cpulimit=unlimited", "CPULIMIT", "unlimited" },
	{ "", "cpus=2", "CPUS", "2" },
	{ "", "cpumask=0-1", "CPUMASK", "0-1" },
	{ "", "nodemask=all", "NODEMASK", "all" },
	{ "", "ram=1G", "PHYSPAGES", "0:P" },
	{ "", "ram=unlimited", "PHYSPAGES", "0:unlimited" },
	{ "", "swap=0", "SWAPPAGES", "0:0" },
	{ "", "physpages=0:1000", "PHYSPAGES", "0:1000" },
	{ "", "swappages=0:1G", "SWAPPAGES", "0:1G" },
	{ "", "numproc=100:200", "NUMPROC", "100:200" },
	{ "", "ioprio=3", "IOPRIO", "3" },
	{ "", "iolimit=10", "IOLIMIT", "10485760" },
	{ "", "iolimit=512K", "IOLIMIT", "524288" },
	{ "", "iolimit=100b", "IOLIMIT", "100" },
	{ "", "iolimit=unlimited", "IOLIMIT", "0" },
	{ "", "iolimit=0", "IOLIMIT", "0" },
	{ "", "iopslimit=50", "IOPSLIMIT", "50" },
	{ "", "kmemsize=1M:2M", "KMEMSIZE", "1M:2M" },
	{ "", "numtcpsock=10:10", "NUMTCPSOCK", "10:10" },
	{ "", "net=host", "NET", "host" },
	{ "", "ipadd=10.0.0.5", "IP_ADDRESS", "10.0.0.5" },
	{ "IP_ADDRESS=10.0.0.5", "ipadd=10.0.0.6|ipadd=fd00:0::5", "IP_ADDRESS",
	  "10.0.0.5 10.0.0.6 fd00::5" },
	{ "IP_ADDRESS=10.0.0.5", "ipadd=10.0.0.5", "IP_ADDRESS", "10.0.0.5" },
	{ "IP_ADDRESS=10.0.0.5 10.0.0.6", "ipdel=10.0.0.5", "IP_ADDRESS",
	  "10.0.0.6" },
	{ "IP_ADDRESS=10.0.0.5", "ipdel=10.0.0.5", "IP_ADDRESS", NULL },
	/* what deletes comes first */
	{ "IP_ADDRESS=10.0.0.5", "ipadd=10.0.0.7|ipdel=all", "IP_ADDRESS",
	  "10.0.0.7" },
	{ "NAMESERVER=1.1.1.1", "nameserver=9.9.9.9|nameserver=fd00::1",
	  "NAMESERVER", "9.9.9.9 fd00::1" },
	{ "", "nameserver=inherit", "NAMESERVER", "inherit" },
	{ "NAMESERVER=1.1.1.1", "nameserver=", "NAMESERVER", NULL },
	{ "", "searchdomain=a.example|searchdomain=b", "SEARCHDOMAIN",
	  "a.example b" },
	{ "", "netif_add=eth0", "NETIF", "ifname=eth0" },
	{ "NETIF=ifname=eth0", "netif_add=eth1,,,,br0", "NETIF",
	  "ifname=eth0;ifname=eth1,bridge=br0" },
	{ "", "netif_add=eth0,02:00:00:00:00:01,veth1,02:00:00:00:00:02,br0",
	  "NETIF",
	  "ifname=eth0,mac=02:00:00:00:00:01,host_ifname=veth1,"
	  "host_mac=02:00:00:00:00:02,bridge=br0" },
	{ "NETIF=ifname=eth0,x=y;ifname=eth1", "netif_del=eth1", "NETIF",
	  "ifname=eth0,x=y" },
	{ "NETIF=ifname=eth0;ifname=eth1", "netif_del=all", "NETIF", NULL },
	{ "", "devnodes=null:rw", "DEVNODES", "null:rw" },
	{ "DEVNODES=null:r zero:rw", "devnodes=null:rw", "DEVNODES",
	  "zero:rw null:rw" },
	{ "DEVNODES=null:r", "devnodes=null:none", "DEVNODES", NULL },
	{ "", "devices=c:10:200:rw", "DEVICES", "c:10:200:rw" },
	{ "DEVICES=c:10:200:rw", "devices=c:10:200:none", "DEVICES", NULL },
	{ "", "capability=sys_time:on|capability=net_admin:off", "CAPABILITY",
	  "sys_time:on net_admin:off" },
	{ "CAPABILITY=SYS_TIME:on", "capability=sys_time:off,chown:on",
	  "CAPABILITY", "sys_time:off chown:on" },
	{ "FEATURES=nfs:on", "features=fuse:on", "FEATURES", "nfs:on fuse:on" },
	{ "", "diskspace=1G:2G", "DISKSPACE", "1048576:2097152" },
	{ "", "diskinodes=10:20", "DISKINODES", "10:20" },
	{ "", "quotatime=600", "QUOTATIME", "600" },
	{ "", "quotaugidlimit=0", "QUOTAUGIDLIMIT", "0" },
	{ "", "diskquota=no", "DISK_QUOTA", "no" },
};

START_TEST(options_change_lines)
{
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct conf *c = conflines_new(changes[i].before);
		const char *want = changes[i].value;
		struct why why = { "" };
		char value[512], pages[64];
		int r;

		unit_row(changes[i].options);
		ck_assert_int_eq(apply(c, changes[i].options, false, &why), 0);
		ck_assert_str_eq(why.text, "");
		r = conf_get(c, changes[i].key, value, sizeof(value));
		ck_assert_int_eq(r, want ? 0 : -ENOENT);
		if (want && strcmp(want, "0:P") == 0) {
			snprintf(pages, sizeof(pages), "0:%llu",
				 (unsigned long long)((1ull << 30) / PAGE));
			want = pages;
		}
		if (want)
			ck_assert_str_eq(value, want);
		conf_free(c);
	}
}
END_TEST

static const struct {
	const char *before, *options, *told;
} refused[] = {
	{ "", "nosuch=1", "--nosuch: no such option" },
	{ "", "cpuunits=5", "--cpuunits 5: it is a number from 8" },
	{ "", "description=a\nb", "more than one line" },
	{ "", "ram=10", "--ram 10: the limit is too low" },
	{ "", "ram=much", "--ram much: it is a number" },
	{ "", "iolimit=x", "--iolimit x" },
	{ "", "ipadd=10.0.0", "--ipadd 10.0.0: it is an address" },
	{ "", "ipadd=", "it is an address" },
	{ "", "ipdel=10.0.0.5", "does not have that address" },
	{ "", "nameserver=a", "--nameserver a: 'a'" },
	{ "", "netif_add=eth0,,,,br0,more", "IFNAME[,MAC" },
	{ "", "netif_add=", "IFNAME[,MAC" },
	{ "", "netif_add=lo", "take another name" },
	{ "NETIF=ifname=eth0", "netif_add=eth0", "already" },
	{ "", "netif_del=eth0", "no such interface" },
	{ "", "devnodes=nosuch-device:rw", "/dev/nosuch-device" },
	{ "", "devices=c:1:x:rw", "b or c" },
	{ "", "capability=sys_time", "':'" },
	{ "", "capability=nosuch:on", "no capability" },
	{ "", "features=nfs:on", "there are fuse, tun" },
	{ "", "features=fuse", "':'" },
	{ "", "diskspace=2:1", "--diskspace: " },
	{ "", "quotatime=x", "--quotatime: " },
	{ "", "quotaugidlimit=x", "users and groups" },
};

START_TEST(wrong_options_are_told)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct conf *c = conflines_new(refused[i].before);
		struct why why = { "" };

		unit_row(refused[i].options);
		ck_assert_int_lt(apply(c, refused[i].options, false, &why), 0);
		/* what does not print comes out otherwise */
		ck_assert_msg(strstr(why.text, refused[i].told) != NULL, "%s",
			      why.text);
		conf_free(c);
	}
}
END_TEST

START_TEST(what_is_gone_may_be_deleted_leniently)
{
	struct conf *c = conflines_new("HOSTNAME=x");
	struct why why = { "" };

	ck_assert_int_eq(apply(c, "ipdel=10.0.0.5|netif_del=eth0", true, &why),
			 0);
	ck_assert_int_lt(apply(c, "ipdel=10.0.0", true, &why), 0);
	conf_free(c);
}
END_TEST

/* ---- the table ------------------------------------------------------------------ */

/* Each option is there once, each word's line can be found by it, and with a
 * value of nonsense nothing but a sentence comes out. */
START_TEST(the_table_is_whole)
{
	struct cmd_option options[CTCHANGE_OPTIONS];
	size_t n = 0;

	ctchange_options(options);
	for (const struct ctword *w = ctwords_table; w->key; w++, n++) {
		struct conf *c = conf_new();
		struct cmd_word word = { w->option, "\x01 =:;,\"" };
		struct cmd_words words = { &word, 1 };
		struct why why = { "" };

		unit_row(w->option);
		ck_assert_ptr_eq(ctwords_option(w->option), w);
		if (w->take || w->change) {
			ck_assert_int_lt(ctchange_apply(c, &words, false, &why),
					 0);
			ck_assert_ptr_nonnull(strstr(why.text, w->option));
		}
		conf_free(c);
		n += w->alias != NULL;
	}
	ck_assert_ptr_null(options[n].name);
	ck_assert_ptr_nonnull(options[n - 1].name);
}
END_TEST

START_TEST(samples_give_no_names)
{
	struct conf *c = conflines_new("NAME=web\nCPUUNITS=5"),
		    *sample = conflines_new("NAME=x\nHOSTNAME=y\nCPUUNITS=100\n"
					    "IP_ADDRESS=1.2.3.4\nFOREIGN=1");
	char value[64];

	ck_assert_int_eq(ctchange_sample(c, sample), 0);
	ck_assert_int_eq(conf_get(c, "NAME", value, sizeof(value)), 0);
	ck_assert_str_eq(value, "web");
	ck_assert_int_eq(conf_get(c, "CPUUNITS", value, sizeof(value)), 0);
	ck_assert_str_eq(value, "100");
	ck_assert_int_eq(conf_get(c, "HOSTNAME", value, sizeof(value)),
			 -ENOENT);
	ck_assert_int_eq(conf_get(c, "FOREIGN", value, sizeof(value)), -ENOENT);
	conf_free(c);
	conf_free(sample);
}
END_TEST

Suite *test_ctchange_suite(void)
{
	Suite *s = suite_create("ctchange");
	TCase *c = tcase_create("options");

	tcase_add_test(c, options_change_lines);
	tcase_add_test(c, wrong_options_are_told);
	tcase_add_test(c, what_is_gone_may_be_deleted_leniently);
	tcase_add_test(c, the_table_is_whole);
	tcase_add_test(c, samples_give_no_names);
	suite_add_tcase(s, c);
	return s;
}
