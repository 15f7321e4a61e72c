/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hier: what is read out of mountinfo. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/ct/hier.h"

#define BIT(c) (1u << (c))

static int add(struct hier_set *s, const char *line)
{
	char buf[512];

	snprintf(buf, sizeof(buf), "%s\n", line);
	return hier_add(s, buf);
}

START_TEST(lines_are_read)
{
	static const struct {
		const char *line;
		int version; /* 0: none of ours */
		unsigned controllers;
		const char *path, *word;
	} rows[] = {
		{ "30 24 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:10 - "
		  "cgroup2 cgroup2 rw,nsdelegate",
		  2, BIT(HIER_CPUACCT) | BIT(HIER_DEVICES) | BIT(HIER_FREEZER),
		  "/sys/fs/cgroup/unified", "" },
		{ "31 24 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
		  "rw,xattr,name=systemd",
		  1, 0, "/sys/fs/cgroup/systemd", "name=systemd" },
		{ "32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime "
		  "shared:14 master:3 - cgroup cgroup rw,cpu,cpuacct",
		  1, BIT(HIER_CPU) | BIT(HIER_CPUACCT),
		  "/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct" },
		{ "33 24 0:29 / /mnt/with\\040blank\\134 rw - cgroup none "
		  "rw,memory,release_agent=/x",
		  1, BIT(HIER_MEMORY), "/mnt/with blank\\", "memory" },
		{ "34 24 0:30 / /c/net rw - cgroup none rw,net_cls,net_prio", 1,
		  0, "/c/net", "net_cls,net_prio" },
		{ "35 24 0:31 / /c/blkio rw - cgroup none rw,blkio", 1,
		  BIT(HIER_IO), "/c/blkio", "blkio" },
		{ "36 24 0:32 / /c/io rw - cgroup none rw,io", 1, 0, "/c/io",
		  "io" },
		{ "30 24 0:26 /part /elsewhere rw - cgroup2 cgroup2 rw", 0, 0,
		  "", "" },
		{ "22 1 8:1 / / rw - ext4 /dev/sda1 rw", 0, 0, "", "" },
		{ "22 1 8:1 / /cgroup rw - tmpfs cgroup rw", 0, 0, "", "" },
		{ "nonsense", 0, 0, "", "" },
		{ "", 0, 0, "", "" },
		{ "1 2 3 - cgroup", 0, 0, "", "" },
		{ "1 2 3 / /x rw - cgroup", 0, 0, "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hier_set s = { .n = 0 };

		unit_row(rows[i].line);
		ck_assert_int_eq(add(&s, rows[i].line), rows[i].version != 0);
		ck_assert_uint_eq(s.n, rows[i].version != 0);
		if (!s.n)
			continue;
		ck_assert_int_eq(s.h[0].version, rows[i].version);
		ck_assert_uint_eq(s.h[0].controllers, rows[i].controllers);
		ck_assert_str_eq(s.h[0].path, rows[i].path);
		ck_assert_str_eq(s.h[0].word, rows[i].word);
		hier_free(&s);
	}
	unit_row(NULL);
}
END_TEST

START_TEST(one_is_taken_once)
{
	struct hier_set s = { .n = 0 };

	ck_assert_int_eq(add(&s, "1 2 3 / /a rw - cgroup none rw,cpu"), 1);
	ck_assert_int_eq(add(&s, "1 2 3 / /b rw - cgroup none rw,cpu"), 0);
	ck_assert_int_eq(add(&s, "1 2 3 / /c rw - cgroup2 none rw"), 1);
	ck_assert_int_eq(add(&s, "1 2 3 / /d rw - cgroup2 none rw"), 0);
	ck_assert_int_eq(add(&s, "1 2 3 / /e rw - cgroup none rw,name=x"), 1);
	ck_assert_int_eq(add(&s, "1 2 3 / /f rw - cgroup none rw,name=y"), 1);
	ck_assert_uint_eq(s.n, 4);
	ck_assert_str_eq(s.h[1].path, "/c");
	ck_assert_int_eq(hier_unified(&s), 1);
	ck_assert_int_eq(hier_of(&s, HIER_CPU), 0);
	ck_assert_int_eq(hier_of(&s, HIER_CPUACCT), 1);
	ck_assert_int_eq(hier_of(&s, HIER_MEMORY), -1);
	hier_free(&s);
	ck_assert_uint_eq(s.n, 0);
}
END_TEST

START_TEST(there_is_an_end)
{
	struct hier_set s = { .n = 0 };
	char line[64];
	int r = 0;

	for (unsigned i = 0; i <= HIER_MAX && r >= 0; i++) {
		snprintf(line, sizeof(line),
			 "1 2 3 / /a%u rw - cgroup none rw,name=%u", i, i);
		r = add(&s, line);
		ck_assert_int_eq(r, i < HIER_MAX ? 1 : -E2BIG);
	}
	hier_free(&s);
}
END_TEST

START_TEST(controllers_have_names)
{
	for (int c = 0; c < HIER_CONTROLLERS; c++)
		ck_assert_int_eq(hier_controller_named(
					 hier_name((enum hier_controller)c, 1)),
				 c);
	ck_assert_int_eq(hier_controller_named("io"), HIER_IO);
	ck_assert_int_eq(hier_controller_named(""), -1);
	ck_assert_int_eq(hier_controller_named("nonsense"), -1);
}
END_TEST

START_TEST(this_machines_are_found)
{
	size_t fds = unit_count_fds();
	struct why why = { "" };
	struct hier_set s;
	int r = hier_find(&s, &why);

	if (r == -ENODEV) {
		unit_skip(why.text);
		return;
	}
	ck_assert_msg(r == 0, "%d %s", r, why.text);
	ck_assert_uint_gt(s.n, 0);
	for (unsigned i = 0; i < s.n; i++)
		ck_assert_int_ge(s.h[i].top, 0);
	hier_free(&s);
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

Suite *test_hier_suite(void)
{
	Suite *s = suite_create("hier");
	TCase *t = tcase_create("hier");

	tcase_add_test(t, lines_are_read);
	tcase_add_test(t, one_is_taken_once);
	tcase_add_test(t, there_is_an_end);
	tcase_add_test(t, controllers_have_names);
	tcase_add_test(t, this_machines_are_found);
	suite_add_tcase(s, t);
	return s;
}
