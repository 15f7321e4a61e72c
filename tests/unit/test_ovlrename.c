/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs: renaming what is below, beside others and with long paths */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fs/attr.h"
#include "fs/copyup.h"
#include "fs/file.h"
#include "tests/unit/ovl.h"

static struct ovl v;
static char buf[4096];

#define SET_UP(lowers)                                                         \
	do {                                                                   \
		const char *why_ = ovl_set_up(&v, lowers);                     \
                                                                               \
		if (why_) {                                                    \
			unit_skip(why_);                                       \
			return;                                                \
		}                                                              \
	} while (0)

/* What somebody else does while the source of a rename is copied up. */
static void (*meanwhile)(void);
static const struct layer_ops *real;
static struct inode *target;
static struct file_opened opened;

static int open_late(struct layer *l, const struct ref *r, int flags)
{
	void (*fn)(void) = meanwhile;

	meanwhile = NULL;
	if (fn)
		fn();
	return real->open(l, r, flags);
}

static void open_target(void)
{
	ck_assert_int_eq(file_open(v.o, target, O_RDWR, false, &opened), 0);
}

static void change_target(void)
{
	ck_assert_int_eq(copyup(v.o, target, COPYUP_META), 0);
}

static void rename_over(const char *from, const char *to, void (*fn)(void))
{
	struct layer_ops ops = *(real = v.o->layers[1]->ops);

	ops.open = open_late;
	v.o->layers[1]->ops = &ops;
	target = ovl_get(&v, to, NULL);
	meanwhile = fn;
	ck_assert_int_eq(ovl_rename(&v, "", from, "", to, 0), 0);
	ck_assert_msg(!meanwhile, "%s was not opened", from);
	v.o->layers[1]->ops = real;
}

START_TEST(renamed_over_while_it_is_copied_up)
{
	struct stat st;

	SET_UP(1);
	ovl_put(&v, "l1/f", "source");
	ovl_put(&v, "l1/g", "target");
	ovl_mkdir(&v, "l1/d");
	ovl_mkdir(&v, "l1/d/sub");
	ovl_mkdir(&v, "l1/e");
	ovl_begin(&v, true);
	rename_over("f", "g", open_target);
	ck_assert_int_eq(attr_get(v.o, target, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	ck_assert_int_eq(file_write(v.o, opened.fh, "T", 1, 0, 0), 1);
	ck_assert_int_eq(file_read(v.o, opened.fh, buf, 100, 0), 6);
	ck_assert_mem_eq(buf, "Target", 6);
	file_release(v.o, opened.fh);
	ovl_put_back(&v, target);
	rename_over("d", "e", change_target);
	ck_assert_int_eq(attr_get(v.o, target, &st), 0);
	ovl_put_back(&v, target);
	for (int round = 0; round < 2; round++) {
		ck_assert_str_eq(ovl_names(&v, "", buf), "e g");
		ck_assert_str_eq(ovl_names(&v, "e", buf), "sub");
		ck_assert_str_eq(ovl_read(&v, "g", buf), "source");
		ovl_check_idle(&v);
		ovl_again(&v);
	}
	ovl_tear_down(&v);
}
END_TEST

/* ext4 keeps attributes of a block at most: that path is longer. */
START_TEST(a_path_too_long_to_keep)
{
	char path[PATH_MAX + 300] = "l1", name[251];
	const char *dir = path + 3;
	size_t n = 2;
	int r;

	SET_UP(1);
	memset(name, 'd', 250);
	name[250] = '\0';
	for (unsigned k = 0; k < 16; k++) {
		n += (size_t)sprintf(path + n, "/%s", name);
		ovl_mkdir(&v, path);
	}
	memset(name, 'e', 60);
	name[60] = '\0';
	sprintf(path + n, "/%s", name);
	ovl_mkdir(&v, path);
	name[0] = 'f';
	sprintf(path + n, "/%s", name);
	ovl_put(&v, path, "text");
	path[n] = '\0';
	ovl_begin(&v, true);
	ck_assert_int_eq(ovl_rename(&v, dir, name, dir, "moved", 0), 0);
	name[0] = 'e';
	r = ovl_rename(&v, dir, name, dir, "again", 0);
	ck_assert_msg(r == 0 || r == -EXDEV, "the directory: %s", strerror(-r));
	ovl_again(&v);
	sprintf(path + n, "/moved");
	ck_assert_str_eq(ovl_read(&v, dir, buf), "text");
	sprintf(path + n, "/%s", r ? name : "again");
	ck_assert_int_eq(ovl_look(&v, dir), 0);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

Suite *test_ovlrename_suite(void)
{
	Suite *s = suite_create("ovlrename");
	TCase *c = tcase_create("ovlrename");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, renamed_over_while_it_is_copied_up);
	tcase_add_test(c, a_path_too_long_to_keep);
	suite_add_tcase(s, c);
	return s;
}
