/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/copyup.h"
#include "fs/dirlayer.h"
#include "fs/lookup.h"
#include "fs/upmark.h"
#include "fs/xattrs.h"
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

START_TEST(the_topmost_file_shows)
{
	struct stat st, low;

	SET_UP(3);
	ovl_put(&v, "l1/a", "one");
	ovl_put(&v, "l2/a", "two");
	ovl_put(&v, "l2/b", "two");
	ovl_put(&v, "l3/b", "three");
	ovl_put(&v, "l3/c", "three");
	ovl_put(&v, "u/c", "upper");
	ovl_begin(&v, true);
	ck_assert_str_eq(ovl_read(&v, "a", buf), "one");
	ck_assert_str_eq(ovl_read(&v, "b", buf), "two");
	ck_assert_str_eq(ovl_read(&v, "c", buf), "upper");
	ck_assert_int_eq(ovl_look(&v, "d"), -ENOENT);
	ovl_put_back(&v, ovl_get(&v, "b", &st));
	ck_assert(ovl_stat(&v, "l2/b", &low));
	ck_assert_uint_eq(st.st_ino, low.st_ino);
	ck_assert_int_eq(st.st_size, 3);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(directories_merge_until_something_ends_it)
{
	SET_UP(3);
	for (unsigned n = 1; n <= 3; n++) {
		static const char *const dirs[] = { "all", "opaque", "file" };
		char path[32];

		for (size_t k = 0; k < ARRAY_SIZE(dirs); k++) {
			snprintf(path, sizeof(path), "l%u/%s", n, dirs[k]);
			if (n == 2 && k == 2) {
				ovl_put(&v, path, "");
				continue;
			}
			ovl_mkdir(&v, path);
			snprintf(path, sizeof(path), "l%u/%s/f%u", n, dirs[k],
				 n);
			ovl_put(&v, path, "");
		}
	}
	ovl_mark(&v, "l2/opaque", "trusted.overlay.opaque", "y");
	ovl_mkdir(&v, "l1/white");
	ovl_whiteout(&v, "l2/white");
	ovl_mkdir(&v, "l3/white");
	ovl_put(&v, "l3/white/x", "");
	ovl_begin(&v, true);
	ck_assert_str_eq(ovl_names(&v, "all", buf), "f1 f2 f3");
	ck_assert_str_eq(ovl_names(&v, "opaque", buf), "f1 f2");
	ck_assert_str_eq(ovl_names(&v, "file", buf), "f1");
	ck_assert_str_eq(ovl_names(&v, "white", buf), "");
	ck_assert_int_eq(ovl_look(&v, "all/f3"), 0);
	ck_assert_int_eq(ovl_look(&v, "opaque/f3"), -ENOENT);
	ck_assert_int_eq(ovl_look(&v, "file/f3"), -ENOENT);
	ck_assert_int_eq(ovl_look(&v, "white/x"), -ENOENT);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(whiteouts_hide)
{
	SET_UP(2);
	ovl_put(&v, "l2/a", "");
	ovl_put(&v, "l2/b", "");
	ovl_put(&v, "l2/c", "");
	ovl_whiteout(&v, "l1/a");
	ovl_whiteout(&v, "u/b");
	ovl_put(&v, "l1/.wh.c", "");
	ovl_whiteout(&v, "u/never");
	ovl_begin(&v, true);
	ck_assert_int_eq(ovl_look(&v, "a"), -ENOENT);
	ck_assert_int_eq(ovl_look(&v, "b"), -ENOENT);
	ck_assert_int_eq(ovl_look(&v, "c"), -ENOENT);
	ck_assert_int_eq(ovl_look(&v, "never"), -ENOENT);
	ck_assert_str_eq(ovl_names(&v, "", buf), "");
	ovl_tear_down(&v);
}
END_TEST

START_TEST(what_a_lower_alone_shows)
{
	struct itable_view dir;
	struct inode *root;

	SET_UP(2);
	ovl_put(&v, "l2/a", "");
	ovl_put(&v, "l2/b", "");
	ovl_whiteout(&v, "l1/b");
	ovl_whiteout(&v, "u/a");
	ovl_put(&v, "u/c", "");
	ovl_begin(&v, true);
	root = ovl_get(&v, "", NULL);
	itable_view(v.o->inodes, root, &dir);
	ck_assert_int_eq(lookup_below(v.o, &dir, "a"), 1);
	ck_assert_int_eq(lookup_below(v.o, &dir, "b"), 0);
	ck_assert_int_eq(lookup_below(v.o, &dir, "c"), 0);
	ck_assert_int_eq(lookup_below(v.o, &dir, "d"), 0);
	ovl_put_back(&v, root);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(redirects)
{
	SET_UP(3);
	ovl_mkdir(&v, "l3/old");
	ovl_put(&v, "l3/old/below", "x");
	ovl_mkdir(&v, "l2/old");
	ovl_put(&v, "l2/old/middle", "x");
	ovl_mkdir(&v, "l1/by-path");
	ovl_mark(&v, "l1/by-path", "trusted.overlay.redirect", "/old");
	ovl_mkdir(&v, "l1/by-name");
	ovl_mark(&v, "l1/by-name", "trusted.overlay.redirect", "old");
	ovl_mkdir(&v, "l1/to-nothing");
	ovl_mark(&v, "l1/to-nothing", "trusted.overlay.redirect", "/none/x");
	ovl_mkdir(&v, "l1/out");
	ovl_mark(&v, "l1/out", "trusted.overlay.redirect", "/../../../etc");
	ovl_begin(&v, true);
	ck_assert_str_eq(ovl_names(&v, "by-path", buf), "below middle");
	ck_assert_str_eq(ovl_names(&v, "by-name", buf), "below middle");
	ck_assert_str_eq(ovl_names(&v, "to-nothing", buf), "");
	ck_assert_str_eq(ovl_names(&v, "out", buf), "");
	ck_assert_int_eq(ovl_look(&v, "by-path/below"), 0);
	ck_assert_int_eq(ovl_look(&v, "out/passwd"), -ENOENT);
	ovl_tear_down(&v);
}
END_TEST

/* A directory from below, moved into one that only its own layer has. */
START_TEST(a_redirect_in_a_new_directory)
{
	SET_UP(2);
	ovl_mkdir(&v, "l2/old");
	ovl_put(&v, "l2/old/below", "x");
	ovl_mkdir(&v, "l1/new");
	ovl_mkdir(&v, "l1/new/moved");
	ovl_mark(&v, "l1/new/moved", "trusted.overlay.redirect", "/old");
	ovl_mkdir(&v, "l1/opaque");
	ovl_mark(&v, "l1/opaque", "trusted.overlay.opaque", "y");
	ovl_mkdir(&v, "l1/opaque/moved");
	ovl_mark(&v, "l1/opaque/moved", "trusted.overlay.redirect", "/old");
	ovl_begin(&v, true);
	ck_assert_str_eq(ovl_names(&v, "new/moved", buf), "below");
	ck_assert_str_eq(ovl_names(&v, "opaque/moved", buf), "below");
	ck_assert_int_eq(ovl_look(&v, "opaque/moved/below"), 0);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(names_at_their_limit)
{
	char name[ITABLE_NAME_MAX + 2], path[300];

	SET_UP(1);
	memset(name, 'n', sizeof(name));
	name[ITABLE_NAME_MAX] = '\0';
	snprintf(path, sizeof(path), "l1/%s", name);
	ovl_put(&v, path, "long");
	ovl_begin(&v, true);
	ck_assert_str_eq(ovl_read(&v, name, buf), "long");
	ck_assert_int_eq(ovl_write(&v, name, "longer"), 0);
	ovl_again(&v);
	ck_assert_str_eq(ovl_read(&v, name, buf), "longer");
	ovl_tear_down(&v);
}
END_TEST

START_TEST(one_inode_for_hard_links_below)
{
	struct stat a, b;
	struct inode *i, *j;

	SET_UP(1);
	ovl_put(&v, "l1/a", "same");
	ovl_mkdir(&v, "l1/d");
	ck_assert_int_eq(linkat(v.dir, "l1/a", v.dir, "l1/d/b", 0), 0);
	ovl_begin(&v, true);
	i = ovl_get(&v, "a", &a);
	j = ovl_get(&v, "d/b", &b);
	ck_assert_ptr_eq(i, j);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_uint_eq(a.st_nlink, 2);
	ovl_put_back(&v, i);
	ovl_put_back(&v, j);
	/* Copied up by one name, found by the other. */
	ck_assert_int_eq(ovl_write(&v, "a", "changed"), 0);
	ck_assert_str_eq(ovl_read(&v, "d/b", buf), "changed");
	i = ovl_get(&v, "a", &a);
	j = ovl_get(&v, "d/b", &b);
	ck_assert_ptr_eq(i, j);
	ck_assert_uint_eq(a.st_nlink, 2);
	ovl_put_back(&v, i);
	ovl_put_back(&v, j);
	ovl_again(&v);
	ck_assert_str_eq(ovl_read(&v, "d/b", buf), "changed");
	ovl_put_back(&v, ovl_get(&v, "d/b", &b));
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_uint_eq(b.st_nlink, 2);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(a_file_by_its_path_below)
{
	struct layer_entry e;

	SET_UP(3);
	ovl_mkdir(&v, "l2/d");
	ovl_mkdir(&v, "l3/d");
	ovl_put(&v, "l2/d/f", "two");
	ovl_put(&v, "l3/d/f", "three");
	ovl_put(&v, "l3/d/g", "three");
	ovl_begin(&v, true);
	ck_assert_int_eq(lookup_lower_file(v.o, "/d/f", 0, &e), 0);
	ck_assert_uint_eq(e.ref.layer, 2);
	dirlayer_ref_close(&e.ref);
	ck_assert_int_eq(lookup_lower_file(v.o, "/d/f", 2, &e), 0);
	ck_assert_uint_eq(e.ref.layer, 3);
	dirlayer_ref_close(&e.ref);
	ck_assert_int_eq(lookup_lower_file(v.o, "/d/f", 3, &e), -ENOENT);
	ck_assert_int_eq(lookup_lower_file(v.o, "/d/none", 0, &e), -ENOENT);
	ck_assert_int_eq(lookup_lower_file(v.o, "/d", 0, &e), -ESTALE);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(names_in_the_index)
{
	char a[LOOKUP_INDEX_MAX], b[LOOKUP_INDEX_MAX];
	struct ref r = { .layer = 1, .len = REF_BYTES, .type = 0xabcd };

	SET_UP(1);
	ovl_begin(&v, true);
	memset(r.bytes, 0xff, REF_BYTES);
	lookup_index_name(v.o, &r, a);
	ck_assert_uint_eq(strlen(a), 6 + 2 * REF_BYTES);
	ck_assert_uint_eq(strspn(a, "0123456789abcdef"), strlen(a));
	r.bytes[REF_BYTES - 1] = 0xfe;
	ck_assert_str_ne(lookup_index_name(v.o, &r, b), a);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(a_damaged_record_is_an_error)
{
	SET_UP(1);
	ovl_put(&v, "l1/f", "text");
	ovl_put(&v, "l1/g", "text");
	ovl_begin(&v, true);
	ck_assert_int_eq(ovl_write(&v, "f", "changed"), 0);
	ovl_mark(&v, "u/f", "trusted.overlay.vefs", "rubbish");
	ck_assert_int_eq(ovl_look(&v, "f"), -EUCLEAN);
	/* It is alone with that. */
	ck_assert_int_eq(ovl_look(&v, "g"), 0);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(metadata_alone_and_its_data_gone)
{
	SET_UP(2);
	ovl_put(&v, "l2/data", "below");
	ovl_put(&v, "u/data", "");
	ovl_mark(&v, "u", "trusted.overlay.impure", "y");
	ovl_mark(&v, "u/data", "trusted.overlay.metacopy", "");
	ovl_put(&v, "u/lost", "");
	ovl_mark(&v, "u/lost", "trusted.overlay.metacopy", "");
	ovl_begin(&v, true);
	ck_assert_str_eq(ovl_read(&v, "data", buf), "below");
	ck_assert_int_eq(ovl_look(&v, "lost"), -EIO);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

/* What somebody else does while upper is about to be asked for a name. */
static void (*meanwhile)(void);
static const struct layer_ops *real;

static int lookup_late(struct layer *l, const struct ref *dir, const char *name,
		       struct layer_entry *out)
{
	void (*fn)(void) = meanwhile;

	meanwhile = NULL;
	if (fn)
		fn();
	return real->lookup(l, dir, name, out);
}

static void interrupt(struct layer_ops *ops, void (*fn)(void))
{
	struct layer *up = upper_layer(v.o->upper);

	real = up->ops;
	*ops = *real;
	ops->lookup = lookup_late;
	up->ops = ops;
	meanwhile = fn;
}

static struct inode *moved;

/* A copy-up of d/f, as far as upper: the table does not know yet. */
static void publish_f(void)
{
	_cleanup_close_ int fd = -1;
	struct inode *dir;
	struct itable_view view;
	struct xattrs_record rec = { .metacopy = true };

	itable_view(v.o->inodes, moved, &view);
	rec.ino = view.ino;
	dir = itable_get_index(v.o->inodes, view.parent);
	itable_move_begin(v.o->inodes, moved);
	ovl_put(&v, "w/work/t", "");
	fd = openat(v.dir, "w/work/t", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 4), 0);
	ck_assert_int_eq(xattrs_record_set(fd, &rec), 0);
	ck_assert_int_eq(upmark_impure(v.o, dir), 0);
	ck_assert_int_eq(renameat(v.dir, "w/work/t", v.dir, "u/d/f"), 0);
	ovl_put_back(&v, dir);
}

START_TEST(the_first_record_comes_while_it_is_looked_up)
{
	struct layer_ops ops;
	struct inode *dir, *i;
	struct stat st;

	SET_UP(1);
	ovl_mkdir(&v, "l1/d");
	ovl_put(&v, "l1/d/f", "text");
	ovl_begin(&v, true);
	dir = ovl_get(&v, "d", NULL);
	ck_assert_int_eq(copyup(v.o, dir, COPYUP_META), 0);
	moved = ovl_get(&v, "d/f", NULL);
	interrupt(&ops, publish_f);
	ck_assert_int_eq(lookup_inode(v.o, dir, "f", &i, &st), 0);
	ck_assert_ptr_null(meanwhile);
	ck_assert_msg(i == moved, "one file, two inodes");
	itable_move_end(v.o->inodes, moved);
	upper_layer(v.o->upper)->ops = real;
	ovl_put_back(&v, i);
	ovl_put_back(&v, moved);
	ovl_put_back(&v, dir);
	ck_assert_str_eq(ovl_read(&v, "d/f", buf), "text");
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

Suite *test_lookup_suite(void)
{
	Suite *s = suite_create("lookup");
	TCase *c = tcase_create("lookup");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, the_topmost_file_shows);
	tcase_add_test(c, directories_merge_until_something_ends_it);
	tcase_add_test(c, whiteouts_hide);
	tcase_add_test(c, what_a_lower_alone_shows);
	tcase_add_test(c, redirects);
	tcase_add_test(c, a_redirect_in_a_new_directory);
	tcase_add_test(c, names_at_their_limit);
	tcase_add_test(c, one_inode_for_hard_links_below);
	tcase_add_test(c, a_file_by_its_path_below);
	tcase_add_test(c, names_in_the_index);
	tcase_add_test(c, a_damaged_record_is_an_error);
	tcase_add_test(c, metadata_alone_and_its_data_gone);
	tcase_add_test(c, the_first_record_comes_while_it_is_looked_up);
	suite_add_tcase(s, c);
	return s;
}
