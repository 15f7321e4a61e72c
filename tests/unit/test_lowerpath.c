/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/dirlayer.h"
#include "fs/lowerpath.h"
#include "tests/unit/ovl.h"

static struct ovl v;

static int walk(const char *path, bool *stop, uint64_t *ino)
{
	struct lowerpath_below below = { .stop = false };
	struct layer_entry e;
	int r;

	r = lowerpath_walk(v.o->layers[1], path, &e, &below);
	*stop = below.stop;
	free(below.path);
	if (r == 0) {
		*ino = e.ino;
		dirlayer_ref_close(&e.ref);
	}
	return r;
}

START_TEST(walking)
{
	static const struct {
		const char *path;
		int r;
		bool stop;
		const char *is;
	} rows[] = {
		{ "/a/b/c", 0, false, "l1/a/b/c" },
		{ "/a//b/", 0, false, "l1/a/b" },
		{ "a", 0, false, "l1/a" },
		{ "/", 0, false, "l1" },
		{ "", 0, false, "l1" },
		{ "/a/none", -ENOENT, false, NULL },
		{ "/none/b", -ENOENT, false, NULL },
		{ "/a/../a", -ENOENT, false, NULL },
		{ "/a/./b", -ENOENT, false, NULL },
		{ "/..", -ENOENT, false, NULL },
		{ "/a/b/c/d", -ENOENT, false, NULL },
		{ "/link/b", -ENOENT, false, NULL },
		{ "/white", -ENOENT, true, NULL },
		{ "/white/b", -ENOENT, true, NULL },
		{ "/opaque", 0, true, "l1/opaque" },
		{ "/opaque/x", 0, true, "l1/opaque/x" },
		{ "/opaque/none", -ENOENT, true, NULL },
	};
	const char *why = ovl_set_up(&v, 1);

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_mkdir(&v, "l1/a");
	ovl_mkdir(&v, "l1/a/b");
	ovl_put(&v, "l1/a/b/c", "x");
	ck_assert_int_eq(symlinkat("a", v.dir, "l1/link"), 0);
	ovl_whiteout(&v, "l1/white");
	ovl_mkdir(&v, "l1/opaque");
	ovl_put(&v, "l1/opaque/x", "x");
	ovl_mark(&v, "l1/opaque", "trusted.overlay.opaque", "y");
	ovl_begin(&v, true);
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint64_t ino = 0;
		struct stat st;
		bool stop;

		unit_row(rows[n].path);
		ck_assert_int_eq(walk(rows[n].path, &stop, &ino), rows[n].r);
		ck_assert_int_eq(stop, rows[n].stop);
		if (!rows[n].is)
			continue;
		ck_assert(ovl_stat(&v, rows[n].is, &st));
		ck_assert_uint_eq(ino, st.st_ino);
	}
	ovl_tear_down(&v);
}
END_TEST

/* A component longer than any name. */
START_TEST(a_part_too_long)
{
	char path[400];
	const char *why = ovl_set_up(&v, 1);
	uint64_t ino;
	bool stop;

	if (why) {
		unit_skip(why);
		return;
	}
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	ovl_begin(&v, true);
	ck_assert_int_lt(walk(path, &stop, &ino), 0);
	ovl_tear_down(&v);
}
END_TEST

static void check_path(const char *of, const char *want)
{
	struct inode *i = ovl_get(&v, of, NULL);
	_cleanup_free_ char *path = NULL;

	unit_row_test("paths", of);
	ck_assert_int_eq(lowerpath_of(v.o, i, &path), 0);
	ck_assert_str_eq(path, want);
	ovl_put_back(&v, i);
}

START_TEST(paths)
{
	const char *why = ovl_set_up(&v, 1);

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_mkdir(&v, "l1/a");
	ovl_mkdir(&v, "l1/a/b");
	ovl_mkdir(&v, "l1/other");
	ovl_put(&v, "l1/a/b/c", "x");
	ovl_begin(&v, true);
	check_path("a/b/c", "/a/b/c");
	/* Where a moved directory was is where its lowers are. */
	ck_assert_int_eq(ovl_rename(&v, "a", "b", "other", "z", 0), 0);
	check_path("other/z", "/a/b");
	check_path("other/z/c", "/a/b/c");
	ck_assert_int_eq(ovl_rename(&v, "", "other", "", "o", 0), 0);
	check_path("o/z/c", "/a/b/c");
	check_path("o", "/other");
	ovl_again(&v);
	check_path("o/z/c", "/a/b/c");
	ovl_tear_down(&v);
}
END_TEST

START_TEST(the_last_part)
{
	static const char *const rows[][3] = {
		{ "/a/b", "c", "/a/c" },
		{ "/a", "b", "/b" },
		{ "/a/b/c", "longer name", "/a/b/longer name" },
		{ "a", "b", "/b" },
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		char *path = strdup(rows[n][0]);

		lowerpath_replace_last(&path, rows[n][1]);
		ck_assert_str_eq(path, rows[n][2]);
		free(path);
	}
}
END_TEST

Suite *test_lowerpath_suite(void)
{
	Suite *s = suite_create("lowerpath");
	TCase *c = tcase_create("lowerpath");

	tcase_add_test(c, walking);
	tcase_add_test(c, a_part_too_long);
	tcase_add_test(c, paths);
	tcase_add_test(c, the_last_part);
	suite_add_tcase(s, c);
	return s;
}
