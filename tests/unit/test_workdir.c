/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/workdir.h"
#include "tests/unit/ovl.h"

static struct ovl v;
static char err[600];

/* Both names are below the temporary directory. */
static int try(struct workdir *w, const char *upper, const char *work)
{
	char u[2 * UNIT_PATH_MAX], k[2 * UNIT_PATH_MAX];

	snprintf(u, sizeof(u), "%s/%s", v.path, upper);
	snprintf(k, sizeof(k), "%s/%s", v.path, work);
	err[0] = '\0';
	return workdir_open(w, u, k, err, sizeof(err));
}

START_TEST(a_pair)
{
	struct workdir w = WORKDIR_NONE;
	const char *why = ovl_set_up(&v, 0);
	struct stat a, b;
	size_t before;

	if (why) {
		unit_skip(why);
		return;
	}
	before = unit_count_fds();
	ck_assert_msg(!try(&w, "u", "w"), "%s", err);
	ck_assert(ovl_stat(&v, "u", &a));
	ck_assert_int_eq(fstat(w.upperfd, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert(ovl_stat(&v, "w/work", &a));
	ck_assert_int_eq(fstat(w.workfd, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert(ovl_stat(&v, "w/index", &a));
	ck_assert_int_eq(fstat(w.indexfd, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_uint_eq(a.st_mode & 07777, 0700);
	/* A rename from one to the other is one within a mount. */
	ck_assert_int_eq(mkdirat(w.workfd, "x", 0700), 0);
	ck_assert_int_eq(renameat(w.workfd, "x", w.upperfd, "x"), 0);
	workdir_close(&w);
	ck_assert_int_eq(w.upperfd, -1);
	ck_assert_uint_eq(unit_count_fds(), before);
	workdir_close(&w);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(what_is_refused)
{
	static const struct {
		const char *upper, *work;
		int error;
		const char *says;
	} rows[] = {
		{ "none", "w", -ENOENT, "none" },
		{ "u", "none", -ENOENT, "none" },
		{ "file", "w", -ENOTDIR, "upper directory" },
		{ "u", "file", -ENOTDIR, "work directory" },
		{ "u", "u", -EINVAL, "must not be the upper" },
		{ "u", "u/in", -EINVAL, "must not be the upper" },
		{ "w/in", "w", -EINVAL, "must not be the upper" },
		{ "u", "foreign", -ENOTEMPTY, "holds 'precious'" },
	};
	struct workdir w = WORKDIR_NONE;
	const char *why = ovl_set_up(&v, 0);
	size_t before;
	struct stat st;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_put(&v, "file", "");
	ovl_mkdir(&v, "u/in");
	ovl_mkdir(&v, "w/in");
	ovl_mkdir(&v, "foreign");
	ovl_put(&v, "foreign/precious", "text");
	before = unit_count_fds();
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		unit_row(rows[n].says);
		ck_assert_int_eq(try(&w, rows[n].upper, rows[n].work),
				 rows[n].error);
		ck_assert_msg(strstr(err, rows[n].says) != NULL, "%s", err);
		ck_assert_int_eq(w.upperfd, -1);
		ck_assert_uint_eq(unit_count_fds(), before);
	}
	ck_assert(ovl_stat(&v, "foreign/precious", &st));
	ck_assert(!ovl_stat(&v, "foreign/work", &st));
	ovl_tear_down(&v);
}
END_TEST

START_TEST(the_whole_filesystem_is_no_upper)
{
	struct workdir w = WORKDIR_NONE;
	char work[UNIT_PATH_MAX + 8];
	const char *why = ovl_set_up(&v, 0);

	if (why) {
		unit_skip(why);
		return;
	}
	snprintf(work, sizeof(work), "%s/w", v.path);
	ck_assert_int_lt(workdir_open(&w, "/", work, err, sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(err, "directory"));
	ovl_tear_down(&v);
}
END_TEST

START_TEST(another_filesystem)
{
	struct workdir w = WORKDIR_NONE;
	char upper[UNIT_PATH_MAX + 8], work[] = "/dev/shm/vefs-unit-XXXXXX";
	const char *why = ovl_set_up(&v, 0);
	struct stat a, b;

	if (why) {
		unit_skip(why);
		return;
	}
	if (!mkdtemp(work)) {
		unit_skip("no /dev/shm");
		return;
	}
	ck_assert_int_eq(stat(work, &a), 0);
	ck_assert_int_eq(fstat(v.dir, &b), 0);
	snprintf(upper, sizeof(upper), "%s/u", v.path);
	if (a.st_dev == b.st_dev) {
		unit_skip("/dev/shm is TMPDIR's filesystem");
	} else {
		int r = workdir_open(&w, upper, work, err, sizeof(err));

		rmdir(work);
		ck_assert_int_eq(r, -EXDEV);
		ck_assert_ptr_nonnull(strstr(err, "same filesystem"));
	}
	rmdir(work);
	ovl_tear_down(&v);
}
END_TEST

/* Waits some seconds, for a former daemon to end. */
START_TEST(in_use_by_another)
{
	struct workdir w = WORKDIR_NONE, second = WORKDIR_NONE;
	const char *why = ovl_set_up(&v, 0);

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_mkdir(&v, "w2");
	ck_assert_int_eq(try(&w, "u", "w"), 0);
	ck_assert_int_eq(try(&second, "u", "w2"), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err, "in use by another"));
	ck_assert_int_eq(second.upperfd, -1);
	workdir_close(&w);
	ck_assert_int_eq(try(&second, "u", "w2"), 0);
	workdir_close(&second);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(leftovers_go_and_the_index_stays)
{
	struct workdir w = WORKDIR_NONE;
	const char *why = ovl_set_up(&v, 0);
	struct stat st;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_mkdir(&v, "w/work");
	ovl_mkdir(&v, "w/index");
	ovl_mkdir(&v, "w/work/t1");
	ovl_mkdir(&v, "w/work/t1/deep");
	ovl_put(&v, "w/work/t1/deep/file", "x");
	ovl_put(&v, "w/work/t2", "x");
	ovl_whiteout(&v, "w/work/t3");
	ovl_put(&v, "w/index/key", "x");
	ovl_put(&v, "outside", "x");
	ck_assert_int_eq(symlinkat("../../outside", v.dir, "w/work/t4"), 0);
	ck_assert_msg(!try(&w, "u", "w"), "%s", err);
	ck_assert(!ovl_stat(&v, "w/work/t1", &st));
	ck_assert(!ovl_stat(&v, "w/work/t2", &st));
	ck_assert(!ovl_stat(&v, "w/work/t3", &st));
	ck_assert(!ovl_stat(&v, "w/work/t4", &st));
	ck_assert(ovl_stat(&v, "w/index/key", &st));
	ck_assert(ovl_stat(&v, "outside", &st));
	workdir_close(&w);
	ovl_tear_down(&v);
}
END_TEST

/* Somebody put a symlink where we sweep: it is not followed. */
START_TEST(no_way_out_of_work)
{
	struct workdir w = WORKDIR_NONE;
	const char *why = ovl_set_up(&v, 0);
	struct stat st;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_mkdir(&v, "precious");
	ovl_put(&v, "precious/file", "x");
	ck_assert_int_eq(symlinkat("../precious", v.dir, "w/work"), 0);
	ck_assert_int_lt(try(&w, "u", "w"), 0);
	ck_assert_ptr_nonnull(strstr(err, "work directory"));
	ck_assert(ovl_stat(&v, "precious/file", &st));
	ovl_tear_down(&v);
}
END_TEST

START_TEST(removing_trees)
{
	const char *why = ovl_set_up(&v, 0);
	size_t before;
	struct stat st;
	int at;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_mkdir(&v, "precious");
	ovl_put(&v, "precious/file", "x");
	ovl_mkdir(&v, "tree");
	at = fdio_openat(v.dir, "tree", O_RDONLY | O_DIRECTORY, 0);
	for (int n = 0; n < 100; n++) {
		int next;

		ck_assert_int_eq(mknodat(at, "f", S_IFREG | 0600, 0), 0);
		ck_assert_int_eq(symlinkat("/", at, "root"), 0);
		ck_assert_int_eq(symlinkat(v.path, at, "back"), 0);
		ck_assert_int_eq(mkdirat(at, "d", 0700), 0);
		next = fdio_openat(at, "d", O_RDONLY | O_DIRECTORY, 0);
		close(at);
		at = next;
	}
	close(at);
	ck_assert_int_eq(symlinkat("precious", v.dir, "link"), 0);
	before = unit_count_fds();
	ck_assert_int_eq(workdir_remove(v.dir, "tree"), 0);
	ck_assert(!ovl_stat(&v, "tree", &st));
	ck_assert_int_eq(workdir_remove(v.dir, "tree"), 0);
	ck_assert_int_eq(workdir_remove(v.dir, "link"), 0);
	ck_assert(!ovl_stat(&v, "link", &st));
	ck_assert(ovl_stat(&v, "precious/file", &st));
	ck_assert_uint_eq(unit_count_fds(), before);
	ovl_tear_down(&v);
}
END_TEST

Suite *test_workdir_suite(void)
{
	Suite *s = suite_create("workdir");
	TCase *c = tcase_create("workdir");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_pair);
	tcase_add_test(c, what_is_refused);
	tcase_add_test(c, the_whole_filesystem_is_no_upper);
	tcase_add_test(c, another_filesystem);
	tcase_add_test(c, in_use_by_another);
	tcase_add_test(c, leftovers_go_and_the_index_stays);
	tcase_add_test(c, no_way_out_of_work);
	tcase_add_test(c, removing_trees);
	suite_add_tcase(s, c);
	return s;
}
