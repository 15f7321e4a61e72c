/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/change.h"
#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/copyup.h"
#include "fs/create.h"
#include "fs/datafill.h"
#include "fs/file.h"
#include "fs/htable.h"
#include "fs/link.h"
#include "fs/stack.h"
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

/* Putting it together. */

START_TEST(what_cannot_be_assembled)
{
	static const struct {
		const char *words;
		int error;
		const char *says;
	} rows[] = {
		{ "lowerdir=%s/none,upperdir=%s/u,workdir=%s/w", -ENOENT,
		  "/none'" },
		{ "lowerdir=%s/file,upperdir=%s/u,workdir=%s/w", -ENOTDIR,
		  "/file'" },
		{ "lowerdir=%s/l1,upperdir=%s/none,workdir=%s/w", -ENOENT,
		  "upper directory" },
		{ "lowerdir=%s/l1,upperdir=%s/u,workdir=%s/none", -ENOENT,
		  "work directory" },
		{ "lowerdir=%s/l1,upperdir=%s/u,workdir=%s/u", -EINVAL,
		  "must not" },
	};
	size_t before;

	SET_UP(1);
	ovl_put(&v, "file", "");
	before = unit_count_fds();
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		char words[1200], err[600],
			*argv[] = { (char *)"vefsd", (char *)"-o", words,
				    (char *)"/t", NULL };
		struct overlay *o = NULL;
		struct options opts;

		unit_row(rows[n].words);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(words, sizeof(words), rows[n].words, v.path, v.path,
			 v.path);
#pragma GCC diagnostic pop
		ck_assert_int_eq(options_parse(&opts, 4, argv, err, 600), 0);
		ck_assert_int_eq(stack_new(&o, &opts, err, sizeof(err)),
				 rows[n].error);
		ck_assert_msg(strstr(err, rows[n].says) != NULL, "%s", err);
		ck_assert_ptr_null(o);
		ck_assert_uint_eq(unit_count_fds(), before);
		options_free(&opts);
	}
	ovl_tear_down(&v);
}
END_TEST

START_TEST(beginning_and_ending_keeps_nothing)
{
	size_t before;

	SET_UP(5);
	before = unit_count_fds();
	for (int n = 0; n < 20; n++) {
		ovl_begin(&v, n % 2);
		ovl_check_idle(&v);
		ck_assert_int_eq(ovl_make(&v, "", "f", S_IFREG | 0644),
				 n % 2 == 0 ? -EROFS
				 : n == 1   ? 0
					    : -EEXIST);
		ovl_end(&v);
		ck_assert_uint_eq(unit_count_fds(), before);
	}
	ovl_tear_down(&v);
}
END_TEST

START_TEST(without_an_upper_nothing_changes)
{
	struct change change = { .mode = true, .new_mode = 0600 };
	struct inode *i;
	struct stat st;

	SET_UP(1);
	ovl_put(&v, "l1/f", "text");
	ovl_mkdir(&v, "l1/d");
	ovl_begin(&v, false);
	ck_assert_str_eq(ovl_read(&v, "f", buf), "text");
	ck_assert_int_eq(ovl_write(&v, "f", "x"), -EROFS);
	ck_assert_int_eq(ovl_make(&v, "", "n", S_IFDIR | 0755), -EROFS);
	ck_assert_int_eq(ovl_remove(&v, "", "f", false), -EROFS);
	ck_assert_int_eq(ovl_remove(&v, "", "d", true), -EROFS);
	ck_assert_int_eq(ovl_rename(&v, "", "f", "d", "f", 0), -EROFS);
	i = ovl_get(&v, "f", NULL);
	ck_assert_int_eq(change_attr(v.o, i, &change, &st), -EROFS);
	ck_assert_int_eq(copyup(v.o, i, COPYUP_META), -EROFS);
	ovl_put_back(&v, i);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

/* Copy-up. */

START_TEST(a_copy_up_changes_nothing_else)
{
	struct timespec old[2] = { { 1000, 123456789 }, { 2000, 987654321 } };
	struct stat before, after, dir;
	struct inode *i;

	SET_UP(1);
	ovl_mkdir(&v, "l1/d");
	ovl_put(&v, "l1/d/f", "text");
	ovl_mark(&v, "l1/d/f", "user.a", "value");
	ck_assert_int_eq(fchownat(v.dir, "l1/d/f", 12, 34, 0), 0);
	ck_assert_int_eq(fchmodat(v.dir, "l1/d/f", 06751, 0), 0);
	ck_assert_int_eq(utimensat(v.dir, "l1/d/f", old, 0), 0);
	ck_assert_int_eq(utimensat(v.dir, "l1/d", old, 0), 0);
	ovl_begin(&v, true);
	i = ovl_get(&v, "d/f", &before);
	ck_assert_int_eq(copyup(v.o, i, COPYUP_META), 0);
	ck_assert_str_eq(ovl_text(&v, "l1/d/f", buf), "text");
	ck_assert_str_eq(ovl_read(&v, "d/f", buf), "text");
	ck_assert_int_eq(copyup(v.o, i, COPYUP_DATA), 0);
	ck_assert_int_eq(copyup(v.o, i, COPYUP_DATA), 0);
	ck_assert_str_eq(ovl_text(&v, "u/d/f", buf), "text");
	ck_assert_int_eq(attr_get(v.o, i, &after), 0);
	ovl_put_back(&v, i);
	for (int round = 0; round < 2; round++) {
		ck_assert_uint_eq(after.st_ino, before.st_ino);
		ck_assert_uint_eq(after.st_mode, before.st_mode);
		ck_assert_uint_eq(after.st_nlink, before.st_nlink);
		ck_assert_uint_eq(after.st_uid, 12);
		ck_assert_uint_eq(after.st_gid, 34);
		ck_assert_int_eq(after.st_size, 4);
		ck_assert_int_eq(after.st_mtim.tv_sec, 2000);
		ck_assert_int_eq(after.st_mtim.tv_nsec, 987654321);
		ovl_put_back(&v, ovl_get(&v, "d", &dir));
		ck_assert_int_eq(dir.st_mtim.tv_sec, 2000);
		ck_assert_int_eq(dir.st_mtim.tv_nsec, 987654321);
		ovl_again(&v);
		ovl_put_back(&v, ovl_get(&v, "d/f", &after));
	}
	ck_assert_str_eq(ovl_read(&v, "d/f", buf), "text");
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

/* A lower that says of its files what they take compressed. */
static const struct layer_ops *real_ops;

static int compressed_stat(struct layer *l, const struct ref *r,
			   struct stat *st)
{
	int rc = real_ops->stat(l, r, st);

	st->st_blocks = 8;
	return rc;
}

START_TEST(the_space_of_a_copy_up)
{
	const off_t size = 1 << 20;
	struct layer_ops ops;
	struct itable_view view;
	struct inode *i;
	int fd;

	SET_UP(1);
	ovl_put(&v, "l1/f", "text");
	fd = openat(v.dir, "l1/f", O_RDWR | O_CLOEXEC);
	for (off_t off = 0; off < size / 2; off += (off_t)sizeof(buf))
		ck_assert_int_eq(pwrite(fd, buf, sizeof(buf), off),
				 sizeof(buf));
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
	ovl_begin(&v, true);
	i = ovl_get(&v, "f", NULL);
	itable_view(v.o->inodes, i, &view);
	ck_assert_uint_ge(datafill_space(v.o, &view, size), size / 2);
	ck_assert_uint_lt(datafill_space(v.o, &view, size), size);
	real_ops = v.o->layers[1]->ops;
	ops = *real_ops;
	ops.stat = compressed_stat;
	v.o->layers[1]->ops = &ops;
	ck_assert_uint_ge(datafill_space(v.o, &view, size), size / 2);
	ck_assert_uint_lt(datafill_space(v.o, &view, size), size);
	v.o->layers[1]->ops = real_ops;
	ovl_put_back(&v, i);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

/* Open for reading, then somebody writes: the reader sees it. */
START_TEST(a_reader_sees_a_first_write)
{
	struct file_opened rd, wr;
	struct inode *i;

	SET_UP(1);
	ovl_put(&v, "l1/f", "old text");
	ovl_begin(&v, true);
	i = ovl_get(&v, "f", NULL);
	ck_assert_int_eq(file_open(v.o, i, O_RDONLY, false, &rd), 0);
	ck_assert_int_eq(file_read(v.o, rd.fh, buf, 3, 0), 3);
	ck_assert_int_eq(file_open(v.o, i, O_RDWR, false, &wr), 0);
	ck_assert_int_eq(file_write(v.o, wr.fh, "new", 3, 0, 0), 3);
	ck_assert_int_eq(file_read(v.o, rd.fh, buf, 100, 0), 8);
	ck_assert_mem_eq(buf, "new text", 8);
	ck_assert_uint_eq(htable_count(v.o->handles), 2);
	file_release(v.o, rd.fh);
	file_release(v.o, wr.fh);
	ck_assert_int_eq(file_read(v.o, rd.fh, buf, 1, 0), -EBADF);
	ovl_put_back(&v, i);
	ck_assert_str_eq(ovl_text(&v, "l1/f", buf), "old text");
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(removed_while_open)
{
	struct file_opened low, up;
	struct inode *i, *j;
	struct stat st;

	SET_UP(1);
	ovl_put(&v, "l1/low", "lower");
	ovl_put(&v, "u/up", "upper");
	ovl_begin(&v, true);
	i = ovl_get(&v, "low", NULL);
	j = ovl_get(&v, "up", NULL);
	ck_assert_int_eq(file_open(v.o, i, O_RDONLY, false, &low), 0);
	ck_assert_int_eq(file_open(v.o, j, O_RDONLY, false, &up), 0);
	ck_assert_int_eq(ovl_remove(&v, "", "low", false), 0);
	ck_assert_int_eq(ovl_remove(&v, "", "up", false), 0);
	ck_assert_int_eq(ovl_remove(&v, "", "up", false), -ENOENT);
	ck_assert_int_eq(ovl_look(&v, "low"), -ENOENT);
	ck_assert_int_eq(file_read(v.o, low.fh, buf, 100, 0), 5);
	ck_assert_int_eq(file_read(v.o, up.fh, buf, 100, 0), 5);
	ck_assert_int_eq(attr_get(v.o, i, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	ck_assert_int_eq(attr_get(v.o, j, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	file_release(v.o, low.fh);
	/* Written after it lost its name. */
	ck_assert_int_eq(file_open(v.o, i, O_RDWR, false, &low), 0);
	ck_assert_int_eq(file_write(v.o, low.fh, "L", 1, 0, 0), 1);
	ck_assert_int_eq(file_read(v.o, low.fh, buf, 100, 0), 5);
	ck_assert_mem_eq(buf, "Lower", 5);
	file_release(v.o, low.fh);
	file_release(v.o, up.fh);
	ovl_put_back(&v, i);
	ovl_put_back(&v, j);
	ck_assert_str_eq(ovl_names(&v, "", buf), "");
	ovl_again(&v);
	ck_assert_str_eq(ovl_names(&v, "", buf), "");
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

/* Names. */

START_TEST(making_and_removing)
{
	SET_UP(1);
	ovl_put(&v, "l1/f", "lower");
	ovl_mkdir(&v, "l1/d");
	ovl_put(&v, "l1/d/x", "lower");
	ovl_begin(&v, true);
	ck_assert_int_eq(ovl_make(&v, "", "f", S_IFREG | 0644), -EEXIST);
	ck_assert_int_eq(ovl_make(&v, "", "d", S_IFDIR | 0755), -EEXIST);
	ck_assert_int_eq(ovl_remove(&v, "", "d", true), -ENOTEMPTY);
	ck_assert_int_eq(ovl_remove(&v, "", "d", false), -EISDIR);
	ck_assert_int_eq(ovl_remove(&v, "", "f", true), -ENOTDIR);
	ck_assert_int_eq(ovl_remove(&v, "", "none", false), -ENOENT);
	ck_assert_int_eq(ovl_remove(&v, "", "f", false), 0);
	ck_assert_int_eq(ovl_remove(&v, "d", "x", false), 0);
	ck_assert_int_eq(ovl_remove(&v, "", "d", true), 0);
	ck_assert_str_eq(ovl_names(&v, "", buf), "");
	/* In place of whiteouts; a new directory shows nothing below. */
	ck_assert_int_eq(ovl_make(&v, "", "d", S_IFDIR | 0755), 0);
	ck_assert_str_eq(ovl_names(&v, "d", buf), "");
	ck_assert_int_eq(ovl_look(&v, "d/x"), -ENOENT);
	ck_assert_int_eq(ovl_make(&v, "d", "x", S_IFLNK | 0777), 0);
	ck_assert_int_eq(ovl_make(&v, "", "f", S_IFIFO | 0600), 0);
	ck_assert_int_eq(ovl_make(&v, "", "s", S_IFSOCK | 0600), 0);
	ovl_again(&v);
	ck_assert_str_eq(ovl_names(&v, "", buf), "d f s");
	ck_assert_str_eq(ovl_names(&v, "d", buf), "x");
	ck_assert_int_eq(ovl_remove(&v, "d", "x", false), 0);
	ck_assert_int_eq(ovl_remove(&v, "", "d", true), 0);
	ovl_again(&v);
	ck_assert_str_eq(ovl_names(&v, "", buf), "f s");
	ck_assert_int_eq(ovl_look(&v, "d"), -ENOENT);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(moving_directories_from_below)
{
	struct stat before, after;

	SET_UP(2);
	ovl_mkdir(&v, "l2/d");
	ovl_mkdir(&v, "l2/d/sub");
	ovl_put(&v, "l2/d/sub/f", "deep");
	ovl_mkdir(&v, "l1/d");
	ovl_put(&v, "l1/d/g", "top");
	ovl_mkdir(&v, "l2/empty");
	ovl_mkdir(&v, "l2/full");
	ovl_put(&v, "l2/full/x", "");
	ovl_put(&v, "l2/file", "file");
	ovl_begin(&v, true);
	ovl_put_back(&v, ovl_get(&v, "d/sub/f", &before));
	ck_assert_int_eq(ovl_rename(&v, "", "d", "", "full", 0), -ENOTEMPTY);
	ck_assert_int_eq(ovl_rename(&v, "", "d", "", "file", 0), -ENOTDIR);
	ck_assert_int_eq(ovl_rename(&v, "", "file", "", "empty", 0), -EISDIR);
	ck_assert_int_eq(ovl_rename(&v, "", "none", "", "n", 0), -ENOENT);
	ck_assert_int_eq(ovl_rename(&v, "", "file", "", "empty",
				    RENAME_NOREPLACE),
			 -EEXIST);
	ck_assert_int_eq(ovl_rename(&v, "", "file", "", "n", 0x80), -EINVAL);
	ck_assert_int_eq(ovl_rename(&v, "", "d", "", "empty", 0), 0);
	ck_assert_str_eq(ovl_names(&v, "", buf), "empty file full");
	ck_assert_str_eq(ovl_names(&v, "empty", buf), "g sub");
	ck_assert_str_eq(ovl_read(&v, "empty/sub/f", buf), "deep");
	ck_assert_int_eq(ovl_rename(&v, "empty", "sub", "full", "s", 0), 0);
	ck_assert_int_eq(
		ovl_rename(&v, "", "full", "", "file", RENAME_EXCHANGE), 0);
	for (int round = 0; round < 2; round++) {
		ck_assert_str_eq(ovl_read(&v, "file/s/f", buf), "deep");
		ck_assert_str_eq(ovl_read(&v, "full", buf), "file");
		ck_assert_str_eq(ovl_names(&v, "file", buf), "s x");
		ck_assert_str_eq(ovl_names(&v, "empty", buf), "g");
		ovl_put_back(&v, ovl_get(&v, "file/s/f", &after));
		ck_assert_uint_eq(after.st_ino, before.st_ino);
		ovl_again(&v);
	}
	ck_assert_str_eq(ovl_text(&v, "l2/d/sub/f", buf), "deep");
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(redirect_dir_off)
{
	SET_UP(1);
	ovl_mkdir(&v, "l1/d");
	v.more = ",redirect_dir=off";
	ovl_begin(&v, true);
	if (v.opts.redirect_dir) {
		unit_skip("redirect_dir=off is not honoured by the options");
	} else {
		ck_assert_int_eq(ovl_rename(&v, "", "d", "", "e", 0), -EXDEV);
		ck_assert_str_eq(ovl_names(&v, "", buf), "d");
		ck_assert_int_eq(ovl_make(&v, "", "n", S_IFDIR | 0755), 0);
		ck_assert_int_eq(ovl_rename(&v, "", "n", "", "m", 0), 0);
	}
	ovl_tear_down(&v);
}
END_TEST

START_TEST(linking)
{
	struct inode *i, *root;
	struct stat st, before;

	SET_UP(1);
	ovl_put(&v, "l1/f", "text");
	ovl_begin(&v, true);
	i = ovl_get(&v, "f", &before);
	root = ovl_get(&v, "", NULL);
	ck_assert_int_eq(link_name(v.o, i, root, "f", &st), -EEXIST);
	ck_assert_int_eq(link_name(v.o, i, root, "g", &st), 0);
	ck_assert_uint_eq(st.st_nlink, 2);
	ck_assert_uint_eq(st.st_ino, before.st_ino);
	ck_assert_int_eq(ovl_remove(&v, "", "f", false), 0);
	ck_assert_int_eq(link_name(v.o, i, root, "h", &st), 0);
	ck_assert_uint_eq(st.st_nlink, 2);
	ovl_put_back(&v, i);
	ovl_put_back(&v, root);
	ck_assert_int_eq(ovl_write(&v, "g", "new"), 0);
	ovl_again(&v);
	ck_assert_str_eq(ovl_names(&v, "", buf), "g h");
	ck_assert_str_eq(ovl_read(&v, "h", buf), "new");
	ovl_put_back(&v, ovl_get(&v, "h", &st));
	ck_assert_uint_eq(st.st_ino, before.st_ino);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(unnamed_files)
{
	struct create_spec spec = { .mode = S_IFREG | 0640, .open = true };
	struct create_result res;
	struct inode *root;
	struct stat st;

	SET_UP(1);
	ovl_begin(&v, true);
	root = ovl_get(&v, "", NULL);
	if (create_unnamed(v.o, root, &spec, &res) == -EOPNOTSUPP) {
		unit_skip("no O_TMPFILE in TMPDIR");
	} else {
		ck_assert_int_eq(write(res.fd, "text", 4), 4);
		close(res.fd);
		ck_assert_uint_eq(res.st.st_nlink, 0);
		ck_assert_str_eq(ovl_names(&v, "", buf), "");
		ck_assert_int_eq(link_name(v.o, res.inode, root, "n", &st), 0);
		ck_assert_uint_eq(st.st_nlink, 1);
		ck_assert_str_eq(ovl_read(&v, "n", buf), "text");
		ovl_put_back(&v, res.inode);
	}
	ovl_put_back(&v, root);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(hard_links_below_one_after_the_other)
{
	struct stat st;
	char name[32];

	SET_UP(1);
	ovl_put(&v, "l1/a0", "text");
	for (int n = 1; n < 5; n++) {
		snprintf(name, sizeof(name), "l1/a%d", n);
		ck_assert_int_eq(linkat(v.dir, "l1/a0", v.dir, name, 0), 0);
	}
	ovl_begin(&v, true);
	for (int n = 0; n < 5; n++) {
		snprintf(name, sizeof(name), "a%d", n);
		ovl_put_back(&v, ovl_get(&v, name, &st));
		ck_assert_uint_eq(st.st_nlink, 5u - (unsigned)n);
		ck_assert_str_eq(ovl_read(&v, name, buf), "text");
		if (n == 2)
			ovl_again(&v);
		ck_assert_int_eq(ovl_remove(&v, "", name, false), 0);
	}
	ovl_again(&v);
	ck_assert_str_eq(ovl_names(&v, "", buf), "");
	ovl_check_idle(&v);
	ovl_tear_down(&v);
}
END_TEST

Suite *test_overlay_suite(void)
{
	Suite *s = suite_create("overlay");
	TCase *c = tcase_create("overlay");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_cannot_be_assembled);
	tcase_add_test(c, beginning_and_ending_keeps_nothing);
	tcase_add_test(c, without_an_upper_nothing_changes);
	tcase_add_test(c, a_copy_up_changes_nothing_else);
	tcase_add_test(c, the_space_of_a_copy_up);
	tcase_add_test(c, a_reader_sees_a_first_write);
	tcase_add_test(c, removed_while_open);
	tcase_add_test(c, making_and_removing);
	tcase_add_test(c, moving_directories_from_below);
	tcase_add_test(c, redirect_dir_off);
	tcase_add_test(c, linking);
	tcase_add_test(c, unnamed_files);
	tcase_add_test(c, hard_links_below_one_after_the_other);
	suite_add_tcase(s, c);
	return s;
}
