/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree of virtual files, and where a process's groups are. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/groupfind.h"
#include "fs/proc/procfiles.h"

/* Every path of the tree, depth first, by listing it. */
static unsigned walk(uint64_t dir, uint32_t cpus, unsigned *files)
{
	char name[PROCFILES_NAME_MAX];
	struct procfiles_node n, again;
	uint64_t at = 0;
	unsigned dirs = 1;

	while (procfiles_next(dir, &at, cpus, name, &n)) {
		unit_row(name);
		ck_assert(procfiles_lookup(dir, name, cpus, &again));
		ck_assert_uint_eq(again.ino, n.ino);
		ck_assert(procfiles_get(n.ino, cpus, &again));
		ck_assert_ptr_eq(again.row, n.row);
		if (n.row)
			++*files;
		else
			dirs += walk(n.ino, cpus, files);
	}
	return dirs;
}

START_TEST(what_is_listed_is_found)
{
	const struct procfiles_row *rows;
	unsigned files = 0, n, per_cpu = 0;

	rows = procfiles_table(&n);
	for (unsigned i = 0; i < n; i++)
		per_cpu += strchr(rows[i].path, '*') != NULL;
	ck_assert_uint_eq(walk(PROCFILES_ROOT, 3, &files), 10 + 3 * 2);
	ck_assert_uint_eq(files, n - per_cpu + 3 * per_cpu);
}
END_TEST

static uint64_t descend(const char *path, uint32_t cpus)
{
	struct procfiles_node n = { .ino = PROCFILES_ROOT };
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *p = strtok_r(copy, "/", &save); p;
	     p = strtok_r(NULL, "/", &save))
		if (!procfiles_lookup(n.ino, p, cpus, &n))
			return 0;
	return n.ino;
}

START_TEST(only_what_there_is)
{
	ck_assert_uint_ne(descend("proc/meminfo", 1), 0);
	ck_assert_uint_ne(descend("proc/vz/veinfo", 1), 0);
	ck_assert_uint_ne(descend("sys/devices/system/cpu/cpu1/topology", 2),
			  0);
	ck_assert_uint_ne(descend("sys/block/simfs/stat", 1), 0);
	ck_assert_uint_eq(descend("sys/block/vda", 1), 0);
	ck_assert_uint_eq(descend("sys/devices/system/cpu/cpu2", 2), 0);
	ck_assert_uint_eq(descend("sys/devices/system/cpu/cpu01", 2), 0);
	ck_assert_uint_eq(descend("sys/devices/system/cpu/cpu", 2), 0);
	ck_assert_uint_eq(descend("sys/devices/system/cpu/cpu*", 2), 0);
	ck_assert_uint_eq(descend("sys/devices/system/cpu/cpu-1", 2), 0);
	ck_assert_uint_eq(
		descend("sys/devices/system/cpu/cpu99999999999999999999", 2),
		0);
	ck_assert_uint_eq(descend("proc/meminf", 1), 0);
	ck_assert_uint_eq(descend("proc/meminfo/x", 1), 0);
	ck_assert_uint_eq(descend("proc/vz/vz", 1), 0);
	ck_assert_uint_eq(descend("devices", 1), 0);
}
END_TEST

START_TEST(an_inode_that_has_gone_is_none)
{
	uint64_t ino = descend("sys/devices/system/cpu/cpu3/online", 4);
	struct procfiles_node n;
	struct unit_rand r;

	ck_assert(procfiles_get(ino, 4, &n));
	ck_assert_uint_eq(n.cpu, 3);
	ck_assert(!procfiles_get(ino, 3, &n));
	ck_assert(!procfiles_get(0, 4, &n));
	unit_rand_start(&r);
	for (int i = 0; i < 100000; i++) {
		uint64_t any = (uint64_t)unit_rand(&r, 1 << 20) *
			       (1 + unit_rand(&r, UINT32_MAX));

		if (procfiles_get(any, 4, &n))
			ck_assert(n.cpu < 4);
	}
}
END_TEST

#define MOUNTS                                                                 \
	"20 1 0:18 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"                     \
	"21 20 0:19 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup " \
	"rw,cpu,cpuacct\n"                                                     \
	"22 20 0:20 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"    \
	"23 20 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"

START_TEST(groups_of_a_hybrid_host)
{
	struct groupfind f;

	ck_assert_int_eq(groupfind_parse("9:cpu,cpuacct:/a\n4:memory:/b/c\n"
					 "0::/u/init.scope\n",
					 MOUNTS, &f),
			 0);
	ck_assert_str_eq(f.paths.dir[GROUP_CPU],
			 "/sys/fs/cgroup/cpu,cpuacct/a");
	ck_assert_str_eq(f.paths.dir[GROUP_CPUACCT],
			 "/sys/fs/cgroup/cpu,cpuacct/a");
	ck_assert_str_eq(f.paths.dir[GROUP_MEMORY],
			 "/sys/fs/cgroup/memory/b/c");
	/* whatever v1 has not is v2's */
	ck_assert_str_eq(f.paths.dir[GROUP_PIDS], "/sys/fs/cgroup/unified/u");
	groupfind_free(&f);
}
END_TEST

START_TEST(the_host_is_no_container)
{
	struct groupfind f;

	ck_assert_int_eq(groupfind_parse("9:cpu,cpuacct:/\n4:memory:/\n0::/\n",
					 MOUNTS, &f),
			 -ENOENT);
	groupfind_free(&f);
	ck_assert_int_eq(groupfind_parse("", MOUNTS, &f), -ENOENT);
	groupfind_free(&f);
	ck_assert_int_eq(groupfind_parse("4:memory:/a\n", "", &f), -ENOENT);
	groupfind_free(&f);
	ck_assert_int_eq(groupfind_parse("::\n:\n4\n4:memory\n4:mem:x\n",
					 "1 2 3 - cgroup\n-\n", &f),
			 -ENOENT);
	groupfind_free(&f);
}
END_TEST

Suite *test_procfiles_suite(void)
{
	Suite *s = suite_create("procfiles");
	TCase *t = tcase_create("procfiles");

	tcase_add_test(t, what_is_listed_is_found);
	tcase_add_test(t, only_what_there_is);
	tcase_add_test(t, an_inode_that_has_gone_is_none);
	tcase_add_test(t, groups_of_a_hybrid_host);
	tcase_add_test(t, the_host_is_no_container);
	suite_add_tcase(s, t);
	return s;
}
