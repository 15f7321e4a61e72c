/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/program.h"
#include "tests/unit/ovl.h"

static struct ovl v;

static const char *set_up(const char *more)
{
	static const char *const dirs[] = {
		"l1/usr", "l1/usr/lib", "l1/usr/lib/x",	      "l1/usrx",
		"l1/etc", "l1/home",	"l1/home/usr",	      "l1/opt",
		"l1/srv", "l1/srv/app", "l1/srv/application",
	};
	const char *why = ovl_set_up(&v, 1);

	if (why)
		return why;
	for (size_t n = 0; n < ARRAY_SIZE(dirs); n++)
		ovl_mkdir(&v, dirs[n]);
	v.more = more;
	ovl_begin(&v, true);
	return NULL;
}

static bool covers(const char *parent, const char *name)
{
	struct inode *i = ovl_get(&v, parent, NULL);
	bool r = program_covers(v.o, i, name);

	ovl_put_back(&v, i);
	return r;
}

START_TEST(the_default_trees)
{
	const char *why = set_up("");

	if (why) {
		unit_skip(why);
		return;
	}
	ck_assert(covers("", "usr"));
	ck_assert(covers("", "lib64"));
	ck_assert(covers("", "boot"));
	ck_assert(covers("usr", "lib"));
	ck_assert(covers("usr/lib/x", "libc.so.6"));
	ck_assert(covers("opt", "anything"));
	ck_assert(!covers("", "usrx"));
	ck_assert(!covers("", "us"));
	ck_assert(!covers("", "etc"));
	ck_assert(!covers("usrx", "lib"));
	ck_assert(!covers("home/usr", "x"));
	ck_assert(!covers("home", "usr"));
	ovl_tear_down(&v);
}
END_TEST

START_TEST(trees_of_ones_own)
{
	const char *why = set_up(",program_trees=/srv/app:/etc");

	if (why) {
		unit_skip(why);
		return;
	}
	ck_assert(!covers("", "usr"));
	ck_assert(!covers("usr", "lib"));
	ck_assert(covers("", "etc"));
	ck_assert(!covers("", "srv"));
	ck_assert(covers("srv", "app"));
	ck_assert(covers("srv/app", "x"));
	ck_assert(!covers("srv", "application"));
	ck_assert(!covers("srv/application", "x"));
	ck_assert(!covers("srv", "ap"));
	ck_assert(!covers("home", "app"));
	ovl_tear_down(&v);
}
END_TEST

START_TEST(no_trees)
{
	const char *why = set_up(",program_trees=none");

	if (why) {
		unit_skip(why);
		return;
	}
	ck_assert(!covers("", "usr"));
	ck_assert(!covers("usr/lib", "x"));
	ovl_tear_down(&v);
}
END_TEST

/* Deeper than any tree: not in one, and no harm done. */
START_TEST(far_down)
{
	char path[2048] = "l1/home/usr";
	const char *why = ovl_set_up(&v, 1);

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_mkdir(&v, "l1/home");
	ovl_mkdir(&v, "l1/home/usr");
	ovl_mkdir(&v, "l1/usr");
	for (int n = 0; n < 12; n++) {
		memcpy(path + strlen(path), "/d", sizeof("/d"));
		ovl_mkdir(&v, path);
	}
	v.more = ",program_trees=/usr:/a/b/c/d/e/f/g/h/i/j/k";
	ovl_begin(&v, true);
	ck_assert(!covers(path + 3, "x"));
	ck_assert(covers("usr", "x"));
	ovl_tear_down(&v);
}
END_TEST

Suite *test_program_suite(void)
{
	Suite *s = suite_create("program");
	TCase *c = tcase_create("program");

	tcase_add_test(c, the_default_trees);
	tcase_add_test(c, trees_of_ones_own);
	tcase_add_test(c, no_trees);
	tcase_add_test(c, far_down);
	suite_add_tcase(s, c);
	return s;
}
