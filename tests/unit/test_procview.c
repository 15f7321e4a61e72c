/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts of virtual files, of numbers that are given. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/cpuinfo.h"
#include "fs/proc/meminfo.h"
#include "fs/proc/procload.h"
#include "fs/proc/procmounts.h"
#include "fs/proc/procsmall.h"
#include "fs/proc/procstat.h"
#include "fs/proc/procstate.h"
#include "fs/proc/proctext.h"
#include "fs/proc/procubc.h"

#define MIB (1024ull * 1024)

static struct numbers n;
static struct procnames names;
static struct procview view = { .n = &n, .names = &names, .host = "" };

static void setup(void)
{
	memset(&n, 0, sizeof(n));
	memset(&names, 0, sizeof(names));
	n.mem_total = 256 * MIB;
	n.cpus = 2;
	n.milli = 1500;
	view.host = "";
	view.cpu = 0;
	view.extra = NULL;
	view.bean = NULL;
}

static char *text_of(procview_render *render)
{
	struct strbuf b = STRBUF_INIT;
	char *text;

	render(&view, &b);
	text = strbuf_take(&b);
	ck_assert_ptr_nonnull(text);
	return text;
}

static uint64_t key(const char *text, const char *k)
{
	uint64_t v = UINT64_MAX;

	ck_assert_msg(proctext_key(text, k, &v), "no %s in %s", k, text);
	return v;
}

static void check(procview_render *render, const char *want)
{
	_cleanup_free_ char *got = text_of(render);

	ck_assert_str_eq(got, want);
}

/* meminfo */

#define HOST_MEMINFO                                                           \
	"MemTotal:       24684084 kB\nMemFree:        24105236 kB\n"           \
	"MemAvailable:   24110240 kB\nBuffers:            9712 kB\n"           \
	"Cached:           307740 kB\nMlocked:           17240 kB\n"           \
	"SwapTotal:       1000000 kB\nSwapFree:         900000 kB\n"           \
	"VmallocTotal:   34359738367 kB\nHugePages_Total:     512\n"           \
	"HugePages_Free:      100\nHugepagesize:       2048 kB\n"              \
	"DirectMap4k:       28672 kB\nSomethingNew:       4711 kB\n"

START_TEST(memory_is_the_containers)
{
	_cleanup_free_ char *got = NULL;

	n.mem_used = 100 * MIB;
	n.mem[NUMBERS_FILE] = 30 * MIB;
	n.mem[NUMBERS_ACTIVE_FILE] = 20 * MIB;
	n.mem[NUMBERS_INACTIVE_FILE] = 10 * MIB;
	n.mem[NUMBERS_SLAB_RECLAIMABLE] = MIB;
	n.swap_total = 64 * MIB;
	n.swap_used = 4 * MIB;
	view.host = HOST_MEMINFO;
	got = text_of(meminfo_render);
	ck_assert(!strncmp(got, "MemTotal:         262144 kB\n", 28));
	ck_assert_uint_eq(key(got, "MemFree"), 156 * 1024);
	ck_assert_uint_eq(key(got, "MemAvailable"), 187 * 1024);
	ck_assert_uint_eq(key(got, "Cached"), 30 * 1024);
	ck_assert_uint_eq(key(got, "SwapTotal"), 64 * 1024);
	ck_assert_uint_eq(key(got, "SwapFree"), 60 * 1024);
	/* the machine's make */
	ck_assert_uint_eq(key(got, "VmallocTotal"), 34359738367);
	ck_assert_uint_eq(key(got, "Hugepagesize"), 2048);
	/* nothing else of the host's, known here or not */
	ck_assert_uint_eq(key(got, "Buffers"), 0);
	ck_assert_uint_eq(key(got, "Mlocked"), 0);
	ck_assert_uint_eq(key(got, "HugePages_Total"), 0);
	ck_assert_uint_eq(key(got, "DirectMap4k"), 0);
	ck_assert_uint_eq(key(got, "SomethingNew"), 0);
	ck_assert_ptr_nonnull(strstr(got, "HugePages_Free:        0\n"));
}
END_TEST

START_TEST(limits_below_the_use)
{
	_cleanup_free_ char *got = NULL;

	n.mem_total = 4096;
	n.mem_used = 100 * MIB;
	n.mem[NUMBERS_FILE] = 90 * MIB;
	n.mem[NUMBERS_ACTIVE_FILE] = 90 * MIB;
	n.swap_used = MIB;
	view.host = HOST_MEMINFO;
	got = text_of(meminfo_render);
	ck_assert_uint_eq(key(got, "MemTotal"), 4);
	ck_assert_uint_eq(key(got, "MemFree"), 0);
	ck_assert_uint_le(key(got, "MemAvailable"), 4);
	ck_assert_uint_le(key(got, "Cached"), 4);
	ck_assert_uint_eq(key(got, "SwapTotal"), 0);
	ck_assert_uint_eq(key(got, "SwapFree"), 0);
}
END_TEST

START_TEST(without_a_host_to_go_by)
{
	_cleanup_free_ char *got = text_of(meminfo_render);

	ck_assert_uint_eq(key(got, "MemTotal"), 256 * 1024);
	ck_assert_uint_eq(key(got, "SwapFree"), 0);
	view.host = "::::\nMemTotal\n: 3 kB\n\n   \nMemFree:\nx y z\n";
	free(got);
	got = text_of(meminfo_render);
	ck_assert_uint_eq(key(got, "MemFree"), 256 * 1024);
}
END_TEST

/* stat */

START_TEST(times_are_the_containers)
{
	_cleanup_free_ struct cpuacc *a = calloc(1, sizeof(*a));
	_cleanup_free_ char *got = NULL;
	const struct cpuacc_sample s = { .at = 20000000000,
					 .n = 2,
					 .used = { 4000000000, 0, 2000000000 },
					 .throttled = 2000000000 };

	cpuacc_update(a, &s);
	n.times = a;
	n.at = 25000000000;
	n.start = 5000000000;
	n.btime = 1700000000;
	n.last_pid = 77;
	n.running = 3;
	n.blocked = 1;
	n.tasks = 12;
	got = text_of(procstat_render);
	ck_assert(!strncmp(got,
			   "cpu  400 0 200 3200 0 0 0 200 0 0\n"
			   "cpu0 200 0 100 1600 0 0 0 100 0 0\n"
			   "cpu1 200 0 100 1600 0 0 0 100 0 0\n",
			   102));
	ck_assert_uint_eq(key(got, "btime"), 1700000000);
	ck_assert_uint_eq(key(got, "processes"), 77);
	ck_assert_uint_eq(key(got, "procs_running"), 3);
	ck_assert_uint_eq(key(got, "procs_blocked"), 1);
	ck_assert_uint_eq(key(got, "ctxt"), 0);
	check(procstat_uptime, "20.00 32.00\n");
	n.load[0] = PROCLOAD_ONE * 3 / 2;
	n.load[1] = PROCLOAD_ONE / 4;
	n.load[2] = PROCLOAD_ONE * 1000;
	check(procstat_loadavg, "1.50 0.25 1000.00 3/12 77\n");
}
END_TEST

START_TEST(a_text_of_any_length)
{
	_cleanup_free_ struct cpuacc *a = calloc(1, sizeof(*a));
	_cleanup_free_ char *got = NULL;
	const struct cpuacc_sample s = { .at = UINT64_MAX / 4,
					 .n = CPUACC_MAX };

	cpuacc_update(a, &s);
	n.times = a;
	got = text_of(procstat_render);
	ck_assert_ptr_nonnull(strstr(got, "\ncpu4095 "));
	ck_assert_ptr_nonnull(strstr(got, "\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n"));
}
END_TEST

/* cpuinfo */

#define BLOCK(id, core)                                                        \
	"processor\t: " id "\nvendor_id\t: X\nphysical id\t: 1\nsiblings\t: "  \
	"64\ncore id\t\t: " core "\ncpu cores\t: 32\napicid\t\t: 9\nflags\t\t" \
	": a b\npower management:\n\n"
#define OURS(id)                                                               \
	"processor\t: " id "\nvendor_id\t: X\nphysical id\t: 0\nsiblings\t: "  \
	"2\ncore id\t\t: " id "\ncpu cores\t: 2\napicid\t\t: " id              \
	"\nflags\t\t: a b\npower management:\n\n"

START_TEST(processors_are_its_own)
{
	static const uint32_t ids[] = { 1, 3 };

	n.cpu_ids = ids;
	n.n_ids = 2;
	view.host = BLOCK("0", "5") BLOCK("1", "6") BLOCK("2", "7")
		BLOCK("3", "8");
	check(cpuinfo_render, OURS("0") OURS("1"));
	/* one of them is offline, or the text is cut short */
	view.host = BLOCK("1", "5");
	check(cpuinfo_render, OURS("0") OURS("1"));
	view.host = "";
	check(cpuinfo_render, "");
}
END_TEST

START_TEST(what_is_the_machines_stays)
{
	static const uint32_t ids[] = { 0 };

	n.cpu_ids = ids;
	n.n_ids = 1;
	n.cpus = 1;
	view.host = "processor\t: 0\nBogoMIPS\t: 38.40\n\nprocessor\t: 1\n"
		    "BogoMIPS\t: 38.40\n\nHardware\t: Board\nSerial\t: 1\n";
	check(cpuinfo_render, "processor\t: 0\nBogoMIPS\t: 38.40\n\n"
			      "Hardware\t: Board\nSerial\t: 1\n");
}
END_TEST

START_TEST(ranges_and_masks)
{
	check(cpuinfo_range, "0-1\n");
	check(cpuinfo_none, "\n");
	check(cpuinfo_all_mask, "3\n");
	n.cpus = 1;
	check(cpuinfo_range, "0\n");
	n.cpus = 34;
	view.cpu = 33;
	check(cpuinfo_all_mask, "00000003,ffffffff\n");
	check(cpuinfo_self_mask, "00000002,00000000\n");
	check(cpuinfo_self_list, "33\n");
}
END_TEST

/* The short ones. */

START_TEST(swap_and_disks)
{
	static const char head[] =
		"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
	_cleanup_free_ char *got = NULL;

	check(procsmall_swaps, head);
	n.swap_total = 64 * MIB;
	n.swap_used = 65 * MIB;
	got = text_of(procsmall_swaps);
	ck_assert_str_eq(got + strlen(head),
			 "/dev/null                               partition"
			 "\t65536\t\t65536\t\t-1\n");
	names.disk_minor = 52;
	n.io = (struct numbers_io){
		.read = 1024, .reads = 1, .written = 512, .writes = 2
	};
	check(procsmall_diskstats,
	      "   0      52 simfs 1 0 2 0 2 0 1 0 0 0 0 0 0 0 0 0 0\n");
	check(procsmall_partitions, "major minor  #blocks  name\n\n");
	check(procsmall_disk_stat, "1 0 2 0 2 0 1 0 0 0 0 0 0 0 0 0 0\n");
	check(procsmall_disk_dev, "0:52\n");
	check(procsmall_disk_size, "0\n");
	names.disk_size = 10 * MIB;
	check(procsmall_disk_size, "20480\n");
	check(procsmall_partitions, "major minor  #blocks  name\n\n"
				    "   0       52      10240 simfs\n");
}
END_TEST

START_TEST(lists_are_cut_down)
{
	view.host = "Character devices:\n  1 mem\n  4 ttyS\n136 pts\n\n"
		    "Block devices:\n  7 loop\n  8 mem\n";
	check(procsmall_devices,
	      "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n");
	view.host = "nodev\tproc\n\text4\nnodev\tsecurityfs\nnodev\ttmpfs\n";
	names.root_type = "ext4";
	check(procsmall_filesystems, "nodev\tproc\nnodev\ttmpfs\n\text4\n");
	check(procsmall_cmdline, "quiet\n");
	view.host = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
		    "cpu\t7\t90\t1\nnet_prio\t0\t12\t0\nshort 1\n";
	check(procsmall_cgroups,
	      "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
	      "cpu\t0\t1\t1\nnet_prio\t0\t1\t0\n");
	n.mem_used = 56 * MIB;
	n.mem[NUMBERS_PGFAULT] = 12;
	view.host = "nr_free_pages 999\npgfault 99\nnuma_hit 5\npgpgin 7\n";
	n.io.read = 4096;
	check(procsmall_vmstat,
	      "nr_free_pages 51200\npgfault 12\nnuma_hit 0\npgpgin 4\n");
}
END_TEST

START_TEST(mounts_show_the_disk)
{
	view.host = "rootfs / rootfs rw 0 0\nvefs:101 / fuse.vefs "
		    "rw,nosuid,user_id=0 0 0\nproc /proc proc rw 0 0\n"
		    "vefs-proc /proc/stat fuse.vefs-proc rw 0 0\n"
		    "cgroup2 /proc/pressure/cpu cgroup2 rw 0 0\n"
		    "a\\040b /mnt\\040x tmpfs rw 0 0\nbroken\n";
	names.root_device = "/dev/simfs";
	names.root_type = "ext4";
	names.root_options = "usrquota,grpquota";
	names.own_source = "vefs-proc";
	check(procmounts_render,
	      "/dev/simfs / ext4 rw,relatime,usrquota,grpquota 0 0\n"
	      "proc /proc proc rw 0 0\na\\040b /mnt\\040x tmpfs rw 0 0\n");
	view.host = "x / fuse.vefs ro,nosuid 0 0\n";
	names.root_options = NULL;
	check(procmounts_render, "/dev/simfs / ext4 ro,relatime 0 0\n");
	names.root_device = NULL;
	check(procmounts_render, "x / fuse.vefs ro,nosuid 0 0\n");
}
END_TEST

/* OpenVZ's. */

START_TEST(beancounters_have_their_columns)
{
	_cleanup_free_ char *got = NULL;
	struct procstate_bean bean[PROCSTATE_ROWS] = { { .most = 0 } };
	static struct procextra extra = { .files = 5 };
	const char *cursor;
	struct proctext line;
	unsigned lines = 0;

	names.id = "101";
	n.tasks = 5;
	n.tasks_peak = 9;
	n.tasks_max = UINT64_MAX;
	n.tasks_hits = 2;
	n.mem_limited = true;
	n.mem_used = 8192;
	bean[6].before = bean[6].failed = 7;
	view.bean = bean;
	view.extra = &extra;
	got = text_of(procubc_render);
	cursor = got;
	while (proctext_line(&cursor, &line)) {
		lines++;
		if (lines > 1)
			ck_assert_uint_eq(line.len, 10 + 2 + 12 + 5 * 21);
	}
	ck_assert_uint_eq(lines, 2 + 24);
	ck_assert_ptr_nonnull(strstr(got, "\n      101:  kmemsize     "));
	ck_assert_ptr_nonnull(
		strstr(got, "numproc                         5"
			    "                    9  9223372036854775807  "
			    "9223372036854775807                    2\n"));
	ck_assert_ptr_nonnull(
		strstr(got, "physpages                       2"
			    "                    2                    0"
			    "                65536                    7\n"));
	/* what was held once is remembered */
	n.mem_used = 4096;
	free(got);
	got = text_of(procubc_render);
	ck_assert_ptr_nonnull(strstr(got, "physpages                       1"
					  "                    2"));
	n.tasks = 3;
	check(procubc_veinfo, "       101     0     3\n");
	snprintf(extra.addresses, sizeof(extra.addresses), "10.0.0.1 fd00::1");
	check(procubc_veinfo, "       101     0     3        10.0.0.1 "
			      "                                fd00::1\n");
	names.id = "name";
	extra.addresses[0] = '\0';
	check(procubc_veinfo, "         0     0     3\n");
}
END_TEST

/* Any host's text, any numbers: no crash, and an end. */
START_TEST(any_view_has_a_text)
{
	static procview_render *const all[] = {
		meminfo_render,	       procstat_render,
		procstat_uptime,       procstat_loadavg,
		cpuinfo_render,	       cpuinfo_all_mask,
		procsmall_swaps,       procsmall_diskstats,
		procsmall_partitions,  procsmall_cgroups,
		procsmall_vmstat,      procsmall_devices,
		procsmall_filesystems, procmounts_render,
		procubc_render,	       procubc_vestat,
		procubc_veinfo,
	};
	static const char of[] = "processor\t: \n\n 0123456789/ro,kBMemTotal-";
	static char text[400];
	struct unit_rand r;

	names.root_device = names.root_type = "x";
	unit_rand_start(&r);
	for (int i = 0; i < 3000; i++) {
		uint32_t len = unit_rand(&r, sizeof(text));
		unsigned char *raw = (void *)n.mem;

		for (uint32_t k = 0; k < len; k++)
			text[k] = of[unit_rand(&r, sizeof(of) - 1)];
		text[len] = '\0';
		for (size_t k = 0; k < sizeof(n.mem); k++)
			raw[k] = (unsigned char)unit_rand(&r, 256);
		n.mem_total = n.mem[0];
		n.mem_used = n.mem[1];
		n.swap_total = n.mem[2];
		n.swap_used = n.mem[3];
		n.cpus = 1 + unit_rand(&r, 70);
		view.host = text;
		for (size_t k = 0; k < ARRAY_SIZE(all); k++)
			free(text_of(all[k]));
	}
}
END_TEST

Suite *test_procview_suite(void)
{
	Suite *s = suite_create("procview");
	TCase *t = tcase_create("procview");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, memory_is_the_containers);
	tcase_add_test(t, limits_below_the_use);
	tcase_add_test(t, without_a_host_to_go_by);
	tcase_add_test(t, times_are_the_containers);
	tcase_add_test(t, a_text_of_any_length);
	tcase_add_test(t, processors_are_its_own);
	tcase_add_test(t, what_is_the_machines_stays);
	tcase_add_test(t, ranges_and_masks);
	tcase_add_test(t, swap_and_disks);
	tcase_add_test(t, lists_are_cut_down);
	tcase_add_test(t, mounts_show_the_disk);
	tcase_add_test(t, beancounters_have_their_columns);
	tcase_add_test(t, any_view_has_a_text);
	suite_add_tcase(s, t);
	return s;
}
