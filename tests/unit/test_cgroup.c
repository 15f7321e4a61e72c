/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup, on the hierarchies of this machine: limits, one change or none.
 * What becomes of processes is test_cgtask.
 */
#include "tests/unit/ctgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ct/cglimit.h"
#include "tools/ct/cgrouppriv.h"
#include "tools/ct/knob.h"

#define MIB (1ull << 20)

static const char *const controllers[] = { "",	     "cpu",	"cpuacct",
					   "cpuset", "pids",	"memory",
					   "io",     "devices", "freezer" };

/* ---- groups --------------------------------------------------------------- */

START_TEST(names_are_checked)
{
	static const char *const bad[] = { "",	  ".",	  "..",	  ".a",
					   "a/b", "a b",  "a\n",  "\xc3\xa4",
					   "*",	  "a\\b", "/abs", "~" };
	char longest[CGROUPPRIV_NAME + 1];
	struct cgroup *g = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct why why = { "" };

		unit_row(bad[i]);
		ck_assert_int_eq(cgroup_open(&g, bad[i], true, 0, &why),
				 -EINVAL);
		ck_assert_str_ne(why.text, "");
		ck_assert_ptr_null(g);
	}
	memset(longest, 'a', sizeof(longest));
	longest[CGROUPPRIV_NAME] = '\0';
	ck_assert_int_eq(cgroup_open(&g, longest, true, 0, NULL), -EINVAL);
}
END_TEST

START_TEST(what_is_not_there_is_not_opened)
{
	size_t fds = unit_count_fds();
	struct cgroup *g = NULL;
	struct why why = { "" };

	if (!ctgroup_possible(__func__))
		return;
	ck_assert_int_eq(cgroup_open(&g, ctgroup_name(), false, 0, &why),
			 -ENOENT);
	ck_assert_str_ne(why.text, "");
	ck_assert_ptr_null(g);
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(they_are_made_and_removed)
{
	static const int parts[] = { -1, CGROUP_PAYLOAD, CGROUP_DAEMON };
	char paths[32][256];
	size_t fds = unit_count_fds(), n = 0;
	struct cgroup *g, *again;
	struct stat st;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		for (size_t k = 0; k < ARRAY_SIZE(parts); k++) {
			if (cgroup_path(g, controllers[i], parts[k], paths[n],
					sizeof(paths[n])))
				continue;
			ck_assert_msg(!stat(paths[n], &st), "%s", paths[n]);
			n++;
		}
	ck_assert_uint_ge(n, 3);
	ck_assert_int_eq(cgroup_path(g, "nonsense", -1, paths[n], 256),
			 -ENOENT);
	ck_assert_int_eq(cgroup_open(&again, ctgroup_name(), false, 0, NULL),
			 0);
	cgroup_free(again);
	ck_assert_int_eq(cgroup_open(&again, ctgroup_name(), true, 0, NULL), 0);
	ck_assert_int_eq(cgroup_processes(again, CGROUP_PAYLOAD), 0);
	ctgroup_remove(again);
	/* the other's eyes see that they are gone */
	ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 0);
	ctgroup_remove(g);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(stat(paths[i], &st) && errno == ENOENT, "%s",
			      paths[i]);
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(the_payload_is_its_owners)
{
	static const struct {
		const char *file;
		uid_t uid;
	} rows[] = { { ".", 123456 },
		     { "cgroup.procs", 123456 },
		     { "cgroup.threads", 123456 },
		     { "cgroup.subtree_control", 123456 },
		     { "cgroup.freeze", 0 },
		     { "..", 0 },
		     { "../daemon/cgroup.procs", 0 } };
	struct cgroup *g;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(123456);
	for (size_t i = 0; i < ARRAY_SIZE(rows) && cgroup_unified(g) >= 0;
	     i++) {
		struct stat st;

		unit_row(rows[i].file);
		ck_assert_int_eq(
			fstatat(cgroup_unified(g), rows[i].file, &st, 0), 0);
		ck_assert_uint_eq(st.st_uid, rows[i].uid);
		ck_assert_uint_eq(st.st_gid, rows[i].uid);
	}
	unit_row(NULL);
	if (cgroup_unified(g) < 0)
		unit_skip("no unified hierarchy is mounted");
	ctgroup_remove(g);
}
END_TEST

static void make_deep(int dir, unsigned depth)
{
	int at = dup(dir);

	for (unsigned i = 0; i < depth; i++) {
		int next;

		ck_assert_int_eq(mkdirat(at, "b", 0755), 0);
		if (i % 7 == 0)
			ck_assert_int_eq(mkdirat(at, "a", 0755), 0);
		next = openat(at, "b", O_PATH | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		close(at);
		at = next;
	}
	close(at);
}

/* More than there are descriptors, as the container pleases. */
START_TEST(what_the_container_made_is_removed_too)
{
	size_t fds = unit_count_fds();
	struct cgroup *g;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	if (cgroup_unified(g) < 0) {
		unit_skip("no unified hierarchy is mounted");
	} else {
		make_deep(cgroup_unified(g), 300);
		ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 0);
	}
	ctgroup_remove(g);
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

/* ---- limits --------------------------------------------------------------- */

START_TEST(units_become_shares_and_weights)
{
	static const struct {
		uint64_t units, shares, weight;
	} rows[] = { { 0, 2, 1 },
		     { 8, 8, 1 },
		     { 10, 10, 1 },
		     { 500, 512, 50 },
		     { 1000, 1024, 100 },
		     { 3000, 3072, 300 },
		     { 500000, 262144, 10000 },
		     { UINT64_MAX, 262144, 10000 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_uint_eq(cglimit_shares(rows[i].units),
				  rows[i].shares);
		ck_assert_uint_eq(cglimit_weight(rows[i].units),
				  rows[i].weight);
	}
}
END_TEST

START_TEST(lists_are_read)
{
	static const struct {
		const char *list;
		int r;
		uint8_t first, second; /* bits 0..7, 8..15 */
	} rows[] = { { "0", 0, 1, 0 },		{ "0-3,8", 0, 15, 1 },
		     { "7,6-9", 0, 0xc0, 3 },	{ "1,1,1-1", 0, 2, 0 },
		     { "", -EINVAL, 0, 0 },	{ ",", -EINVAL, 0, 0 },
		     { "1,", -EINVAL, 0, 0 },	{ "3-1", -EINVAL, 0, 0 },
		     { "1-", -EINVAL, 0, 0 },	{ "-1", -EINVAL, 0, 0 },
		     { "1 2", -EINVAL, 0, 0 },	{ "0-8191", 0, 255, 255 },
		     { "8192", -ERANGE, 0, 0 }, { "0x1", -EINVAL, 0, 0 } };
	uint8_t bits[CGLIMIT_BITS / 8];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unit_row(rows[i].list);
		ck_assert_int_eq(cglimit_list(rows[i].list, bits), rows[i].r);
		if (rows[i].r)
			continue;
		ck_assert_uint_eq(bits[0], rows[i].first);
		ck_assert_uint_eq(bits[1], rows[i].second);
	}
	unit_row(NULL);
}
END_TEST

static const struct {
	const char *controller, *v1, *v2; /* files */
	int part;
} files[] = {
	{ "cpu", "cpu.shares", "cpu.weight", -1 },
	{ "cpu", "cpu.cfs_quota_us", "cpu.max", -1 },
	{ "cpuset", "cpuset.cpus", "cpuset.cpus", -1 },
	{ "cpuset", "cpuset.cpus", "cpuset.cpus", CGROUP_PAYLOAD },
	{ "cpuset", "cpuset.cpus", "cpuset.cpus", CGROUP_DAEMON },
	{ "cpuset", "cpuset.mems", "cpuset.mems", -1 },
	{ "io", "blkio.bfq.weight", "io.bfq.weight", -1 },
	{ "io", "blkio.weight", "io.weight", -1 },
	{ "io", "blkio.throttle.read_bps_device", "io.max", -1 },
	{ "io", "blkio.throttle.write_bps_device", "io.max", -1 },
	{ "io", "blkio.throttle.read_iops_device", "io.max", -1 },
	{ "io", "blkio.throttle.write_iops_device", "io.max", -1 },
	{ "memory", "memory.limit_in_bytes", "memory.max", CGROUP_PAYLOAD },
	{ "memory", "memory.memsw.limit_in_bytes", "memory.swap.max",
	  CGROUP_PAYLOAD },
	{ "memory", "memory.soft_limit_in_bytes", "memory.high",
	  CGROUP_PAYLOAD },
	{ "pids", "pids.max", "pids.max", CGROUP_PAYLOAD },
};

/* All limits as the kernel has them, as text. */
static void picture(const struct cgroup *g, char *text, size_t size)
{
	char path[512], line[1024];
	size_t len = 0;

	*text = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const char *names[] = { files[i].v1, files[i].v2 };

		for (size_t k = 0; k < 2; k++) {
			if (cgroup_path(g, files[i].controller, files[i].part,
					path, sizeof(path)))
				continue;
			snprintf(path + strlen(path),
				 sizeof(path) - strlen(path), "/%s", names[k]);
			if (knob_read(AT_FDCWD, path, line, sizeof(line)) < 0)
				continue;
			len += (size_t)snprintf(text + len, size - len,
						"%s=%s\n", path, line);
			ck_assert_uint_lt(len, size);
		}
	}
}

/* What any machine with these controllers takes. */
static struct spec_limits some_limits(uint64_t scale)
{
	struct spec_limits l = { .given = 0 };

	spec_give(&l, SPEC_CPUUNITS, 1000 * scale);
	spec_give(&l, SPEC_CPULIMIT, 25 * scale);
	spec_give(&l, SPEC_RAM, 64 * MIB * scale);
	spec_give(&l, SPEC_SWAP, 32 * MIB * scale);
	spec_give(&l, SPEC_NUMPROC, 100 * scale);
	spec_give(&l, SPEC_IOPRIO, scale);
	spec_give(&l, SPEC_IOLIMIT, 10 * MIB * scale);
	spec_give(&l, SPEC_IOPSLIMIT, 1000 * scale);
	snprintf(l.cpumask, sizeof(l.cpumask), "%s", "0");
	return l;
}

#define ALL_MAY_LACK ((1u << SPEC_NUMBERS) - 1)

static void must_set(struct cgroup *g, const struct spec_limits *l)
{
	struct why why = { "" };
	int r = cgroup_set(g, l, ALL_MAY_LACK, &why);

	ck_assert_msg(r == 0, "%d %s", r, why.text);
}

static bool has(const struct cgroup *g, const char *controller)
{
	char path[256];

	return !cgroup_path(g, controller, -1, path, sizeof(path));
}

START_TEST(limits_are_set_and_lifted)
{
	static char fresh[16384], limited[16384], text[16384];
	struct cgroup_usage u;
	struct spec_limits l;
	struct cgroup *g;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	picture(g, fresh, sizeof(fresh));
	for (uint64_t scale = 1; scale <= 7; scale++) {
		l = some_limits(scale);
		must_set(g, &l);
		cgroup_usage(g, &u);
		if (has(g, "memory"))
			ck_assert_uint_eq(u.ram_max, 64 * MIB * scale);
		if (has(g, "memory") && u.swap_max != SPEC_UNLIMITED)
			ck_assert_uint_eq(u.swap_max, 32 * MIB * scale);
		if (has(g, "pids"))
			ck_assert_uint_eq(u.processes_max, 100 * scale);
	}
	picture(g, limited, sizeof(limited));
	ck_assert_str_ne(fresh, limited);
	/* nothing given, nothing changed */
	memset(&l, 0, sizeof(l));
	must_set(g, &l);
	picture(g, text, sizeof(text));
	ck_assert_str_eq(text, limited);
	/* one given */
	spec_give(&l, SPEC_NUMPROC, 55);
	must_set(g, &l);
	l.number[SPEC_NUMPROC] = 700;
	must_set(g, &l);
	picture(g, text, sizeof(text));
	ck_assert_str_eq(text, limited);
	for (int n = 0; n < SPEC_NUMBERS; n++)
		spec_give(&l, (enum spec_number)n, SPEC_UNLIMITED);
	snprintf(l.cpumask, sizeof(l.cpumask), "%s", "all");
	must_set(g, &l);
	picture(g, text, sizeof(text));
	ck_assert_str_eq(text, fresh);
	ctgroup_remove(g);
}
END_TEST

/* Each from each: what order the kernel takes depends on both. */
START_TEST(memory_rises_and_falls)
{
	static const struct {
		uint64_t ram, swap;
	} rows[] = { { 64 * MIB, 0 },
		     { 64 * MIB, 64 * MIB },
		     { 32 * MIB, 128 * MIB },
		     { 512 * MIB, 0 },
		     { 512 * MIB, SPEC_UNLIMITED },
		     { 128 * MIB, 8 * MIB },
		     { SPEC_UNLIMITED, SPEC_UNLIMITED } };
	struct cgroup *g;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	if (!has(g, "memory")) {
		unit_skip("no memory controller");
		ctgroup_remove(g);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(rows); i++) {
		size_t step[] = { i / ARRAY_SIZE(rows), i % ARRAY_SIZE(rows) };

		for (size_t k = 0; k < 2; k++) {
			struct spec_limits l = { .given = 0 };
			struct cgroup_usage u;
			uint64_t swap = rows[step[k]].swap;

			spec_give(&l, SPEC_RAM, rows[step[k]].ram);
			spec_give(&l, SPEC_SWAP, swap);
			must_set(g, &l);
			cgroup_usage(g, &u);
			ck_assert_uint_eq(u.ram_max, rows[step[k]].ram);
			if (u.swap != SPEC_UNLIMITED)
				ck_assert_uint_eq(u.swap_max, swap);
		}
	}
	ctgroup_remove(g);
}
END_TEST

/* What is given besides is as it was, whatever was written before. */
START_TEST(a_change_that_fails_changes_nothing)
{
	static const struct {
		const char *name, *cpumask, *nodemask;
		int n;
		uint64_t value;
		int r;
	} rows[] = {
		{ "no such cpu", "4095", "", -1, 0, -EINVAL },
		{ "one cpu too many", "0,4095", "", -1, 0, -EINVAL },
		{ "no list", "0-", "", -1, 0, -EINVAL },
		{ "no number", "x", "", -1, 0, -EINVAL },
		{ "beyond", "99999", "", -1, 0, -ERANGE },
		{ "no such node", "0", "1000", -1, 0, -EINVAL },
		{ "no cpu at all", "0", "", SPEC_CPULIMIT, 0, -EINVAL },
		{ "no bytes", "0", "", SPEC_IOLIMIT, 0, -EINVAL },
		{ "no operations", "0", "", SPEC_IOPSLIMIT, 0, -EINVAL },
	};
	static char before[16384], after[16384];
	struct spec_limits l = some_limits(2);
	struct cgroup *g;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	must_set(g, &l);
	picture(g, before, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(rows) && has(g, "cpuset"); i++) {
		struct why why = { "" };

		unit_row(rows[i].name);
		l = some_limits(3);
		snprintf(l.cpumask, sizeof(l.cpumask), "%s", rows[i].cpumask);
		snprintf(l.nodemask, sizeof(l.nodemask), "%s",
			 rows[i].nodemask);
		if (rows[i].n >= 0)
			spec_give(&l, (enum spec_number)rows[i].n,
				  rows[i].value);
		ck_assert_int_eq(cgroup_set(g, &l, ALL_MAY_LACK, &why),
				 rows[i].r);
		ck_assert_str_ne(why.text, "");
		picture(g, after, sizeof(after));
		ck_assert_str_eq(after, before);
	}
	unit_row(NULL);
	if (!has(g, "cpuset"))
		unit_skip("no cpuset controller");
	ctgroup_remove(g);
}
END_TEST

static void hold_memory(void *arg)
{
	size_t size = *(const size_t *)arg;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mlock(p, size))
		_exit(1);
	memset(p, 1, size);
	ctgroup_ready();
	pause();
}

/* It fails, nobody is killed, and all is as it was. */
START_TEST(a_limit_below_what_is_used)
{
	static char before[16384], after[16384];
	struct spec_limits l = some_limits(4);
	size_t size = 48 * MIB;
	struct why why = { "" };
	struct cgroup *g;
	pid_t pid;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	if (!has(g, "memory")) {
		unit_skip("no memory controller");
		ctgroup_remove(g);
		return;
	}
	must_set(g, &l);
	pid = ctgroup_start(g, hold_memory, &size);
	picture(g, before, sizeof(before));
	l = some_limits(5);
	l.number[SPEC_RAM] = 16 * MIB;
	ck_assert_int_eq(cgroup_set(g, &l, ALL_MAY_LACK, &why), -EBUSY);
	ck_assert_ptr_nonnull(strstr(why.text, "too small"));
	picture(g, after, sizeof(after));
	ck_assert_str_eq(after, before);
	ck_assert_int_eq(kill(pid, 0), 0);
	ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 1);
	l.number[SPEC_RAM] = 100 * MIB;
	must_set(g, &l);
	ctgroup_end(pid);
	l.number[SPEC_RAM] = 16 * MIB;
	must_set(g, &l);
	ctgroup_remove(g);
}
END_TEST

/* As on a machine that has no such controller. */
START_TEST(what_is_lacking_is_said)
{
	struct spec_limits l = { .given = 0 };
	struct why why = { "" };
	struct cgroup *g;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	for (unsigned i = 0; i < g->hiers.n; i++)
		g->hiers.h[i].controllers = 0;
	for (int n = 0; n < SPEC_NUMBERS; n++) {
		memset(&l, 0, sizeof(l));
		why.text[0] = '\0';
		spec_give(&l, (enum spec_number)n, 100);
		ck_assert_int_eq(cgroup_set(g, &l, ~(1u << n), &why),
				 -EOPNOTSUPP);
		ck_assert_str_ne(why.text, "");
		why.text[0] = '\0';
		ck_assert_int_eq(cgroup_set(g, &l, 1u << n, &why), 0);
		ck_assert_str_ne(why.text, "");
	}
	memset(&l, 0, sizeof(l));
	snprintf(l.cpumask, sizeof(l.cpumask), "%s", "0");
	ck_assert_int_eq(cgroup_set(g, &l, ALL_MAY_LACK, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(cgroup_devices(g, NULL, 0, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(cgroup_freeze(g, true, NULL), -EOPNOTSUPP);
	ctgroup_remove(g);
}
END_TEST

Suite *test_cgroup_suite(void)
{
	Suite *s = suite_create("cgroup");
	TCase *t = tcase_create("cgroup");

	tcase_add_unchecked_fixture(t, ctgroup_begin, ctgroup_finish);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, names_are_checked);
	tcase_add_test(t, what_is_not_there_is_not_opened);
	tcase_add_test(t, they_are_made_and_removed);
	tcase_add_test(t, the_payload_is_its_owners);
	tcase_add_test(t, what_the_container_made_is_removed_too);
	tcase_add_test(t, units_become_shares_and_weights);
	tcase_add_test(t, lists_are_read);
	tcase_add_test(t, limits_are_set_and_lifted);
	tcase_add_test(t, memory_rises_and_falls);
	tcase_add_test(t, a_change_that_fails_changes_nothing);
	tcase_add_test(t, a_limit_below_what_is_used);
	tcase_add_test(t, what_is_lacking_is_said);
	suite_add_tcase(s, t);
	return s;
}
