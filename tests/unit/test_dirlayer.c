/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

#include "fs/base/cleanup.h"
#include "fs/dirlayer.h"
#include "tests/unit/ovl.h"

static struct ovl v;
static struct fdcache *fds;
static struct layer *l;
static struct layer_entry root;

/* "l1" as a layer; after it is filled. */
static void open_layer(void)
{
	char path[UNIT_PATH_MAX + 8], err[200] = "";
	struct dirlayer_config cfg = { .path = path, .index = 1 };

	snprintf(path, sizeof(path), "%s/l1", v.path);
	cfg.fds = fds = fdcache_new(4);
	ck_assert_msg(!dirlayer_new(&l, &cfg, err, sizeof(err)), "%s", err);
	ck_assert_int_eq(l->ops->root(l, &root), 0);
}

static void close_layer(void)
{
	dirlayer_ref_close(&root.ref);
	fdcache_free(fds);
	l->ops->free(l);
	ovl_tear_down(&v);
}

static int look(const struct ref *dir, const char *name,
		struct layer_entry *out)
{
	return l->ops->lookup(l, dir, name, out);
}

static int gives(const char *name)
{
	struct layer_entry e;
	int r = look(&root.ref, name, &e);

	if (r == 0)
		dirlayer_ref_close(&e.ref);
	return r;
}

START_TEST(what_is_found)
{
	struct layer_entry e, f, sub;
	struct stat st;
	const char *why = ovl_set_up(&v, 1);
	char buf[8] = "";
	int fd;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_put(&v, "l1/file", "text");
	ovl_mkdir(&v, "l1/dir");
	ovl_put(&v, "l1/dir/deep", "x");
	ck_assert_int_eq(symlinkat("/etc/passwd", v.dir, "l1/link"), 0);
	ck_assert_int_eq(linkat(v.dir, "l1/file", v.dir, "l1/dir/hard", 0), 0);
	open_layer();
	ck_assert(ovl_stat(&v, "l1/file", &st));
	ck_assert_int_eq(look(&root.ref, "file", &e), 0);
	ck_assert(S_ISREG(e.st.st_mode));
	ck_assert_uint_eq(e.ino, st.st_ino);
	ck_assert(!e.metacopy && !e.recorded);
	fd = l->ops->open(l, &e.ref, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, buf, sizeof(buf)), 4);
	ck_assert_str_eq(buf, "text");
	close(fd);

	/* One inode, one ref, by whatever name. */
	ck_assert_int_eq(look(&root.ref, "dir", &sub), 0);
	ck_assert_int_eq(look(&sub.ref, "hard", &f), 0);
	ck_assert(ref_same(&e.ref, &f.ref));
	dirlayer_ref_close(&f.ref);

	/* A symlink is a symlink; nobody goes through it. */
	ck_assert_int_eq(look(&root.ref, "link", &f), 0);
	ck_assert(S_ISLNK(f.st.st_mode));
	ck_assert_int_eq(l->ops->stat(l, &f.ref, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_int_lt(l->ops->open(l, &f.ref, O_RDONLY), 0);
	dirlayer_ref_close(&f.ref);

	ck_assert_int_eq(look(&root.ref, "absent", &f), -ENOENT);
	ck_assert_int_eq(look(&e.ref, "x", &f), -ENOTDIR);

	/* A ref is good whatever happens to the name. */
	ck_assert_int_eq(renameat(v.dir, "l1/dir", v.dir, "l1/other"), 0);
	ck_assert_int_eq(look(&sub.ref, "deep", &f), 0);
	ck_assert_int_eq(l->ops->stat(l, &sub.ref, &st), 0);
	ck_assert_uint_eq(st.st_ino, sub.st.st_ino);
	dirlayer_ref_close(&f.ref);
	dirlayer_ref_close(&sub.ref);
	dirlayer_ref_close(&e.ref);
	close_layer();
}
END_TEST

START_TEST(numbers_of_another_filesystem)
{
	struct layer_entry e;
	const char *why = ovl_set_up(&v, 1);

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_put(&v, "l1/file", "");
	open_layer();
	l->fsidx = 3;
	ck_assert_int_eq(look(&root.ref, "file", &e), 0);
	ck_assert_uint_eq(e.ino, e.st.st_ino ^ (3ull << 56));
	dirlayer_ref_close(&e.ref);
	close_layer();
}
END_TEST

static void fill_whiteouts(void)
{
	ovl_whiteout(&v, "l1/chr");
	ovl_put(&v, "l1/attr", "");
	ovl_mark(&v, "l1/attr", "trusted.overlay.whiteout", "y");
	ovl_mark(&v, "l1", "trusted.overlay.opaque", "x");
	ovl_put(&v, "l1/full", "not empty");
	ovl_mark(&v, "l1/full", "trusted.overlay.whiteout", "y");
	ovl_put(&v, "l1/.wh.named", "");
	ovl_put(&v, "l1/.wh.both", "");
	ovl_put(&v, "l1/both", "");
	ck_assert_int_eq(mknodat(v.dir, "l1/dev", S_IFCHR, makedev(1, 3)), 0);
}

START_TEST(whiteouts)
{
	const char *why = ovl_set_up(&v, 1);

	if (why) {
		unit_skip(why);
		return;
	}
	fill_whiteouts();
	open_layer();
	ck_assert_int_eq(gives("chr"), -ENODATA);
	ck_assert_int_eq(gives("attr"), -ENODATA);
	ck_assert_int_eq(gives("full"), 0);
	ck_assert_int_eq(gives("named"), -ENODATA);
	ck_assert_int_eq(gives("both"), 0);
	ck_assert_int_eq(gives("dev"), 0);
	ck_assert(dirlayer_wh_names(l));
	ck_assert_int_eq(gives(".wh.named"), -ENOENT);
	ck_assert_int_eq(gives(".wh.never"), -ENOENT);
	/* Where these are plain names they are files. */
	dirlayer_set_wh_names(l, false);
	ck_assert_int_eq(gives("named"), -ENOENT);
	ck_assert_int_eq(gives(".wh.named"), 0);
	close_layer();
}
END_TEST

struct seen {
	char names[32][64];
	unsigned types[32];
	unsigned n, stop_after;
};

static int see(void *ctx, const char *name, _unused_ uint64_t ino,
	       unsigned type)
{
	struct seen *s = ctx;

	ck_assert_uint_lt(s->n, 32);
	snprintf(s->names[s->n], sizeof(s->names[0]), "%s", name);
	s->types[s->n++] = type;
	return s->stop_after && s->n == s->stop_after ? 42 : 0;
}

/* The type listed for a name, 0 for none; fails when it comes twice. */
static unsigned listed(const struct seen *s, const char *name)
{
	unsigned type = 0;

	for (unsigned n = 0; n < s->n; n++) {
		if (strcmp(s->names[n], name) != 0)
			continue;
		ck_assert_uint_eq(type, 0);
		type = s->types[n];
	}
	return type;
}

START_TEST(listings)
{
	struct seen s = { .n = 0 };
	struct layer_entry e;
	const char *why = ovl_set_up(&v, 1);

	if (why) {
		unit_skip(why);
		return;
	}
	fill_whiteouts();
	ovl_mkdir(&v, "l1/dir");
	ck_assert_int_eq(symlinkat("x", v.dir, "l1/link"), 0);
	open_layer();
	ck_assert_int_eq(l->ops->list(l, &root.ref, see, &s), 0);
	ck_assert_uint_eq(listed(&s, "chr"), LAYER_DT_WHITEOUT);
	ck_assert_uint_eq(listed(&s, "attr"), LAYER_DT_WHITEOUT);
	ck_assert_uint_eq(listed(&s, "named"), LAYER_DT_WHITEOUT);
	ck_assert_uint_eq(listed(&s, "full"), DT_REG);
	ck_assert_uint_eq(listed(&s, "both"), DT_REG);
	ck_assert_uint_eq(listed(&s, "dev"), DT_CHR);
	ck_assert_uint_eq(listed(&s, "dir"), DT_DIR);
	ck_assert_uint_eq(listed(&s, "link"), DT_LNK);
	ck_assert_uint_eq(s.n, 8);

	s = (struct seen){ .stop_after = 3 };
	ck_assert_int_eq(l->ops->list(l, &root.ref, see, &s), 42);
	ck_assert_uint_eq(s.n, 3);

	ck_assert_int_eq(look(&root.ref, "both", &e), 0);
	ck_assert_int_eq(l->ops->list(l, &e.ref, see, &s), -ENOTDIR);
	dirlayer_ref_close(&e.ref);
	close_layer();
}
END_TEST

static void check_marks(const char *dir, bool opaque, const char *redirect)
{
	struct layer_marks m = { .opaque = false };
	struct layer_entry e;

	unit_row_test("marks", dir);
	ck_assert_int_eq(look(&root.ref, dir, &e), 0);
	ck_assert_int_eq(l->ops->marks(l, &e.ref, &m), 0);
	ck_assert_int_eq(m.opaque, opaque);
	if (redirect)
		ck_assert_str_eq(m.redirect, redirect);
	else
		ck_assert_ptr_null(m.redirect);
	free(m.redirect);
	dirlayer_ref_close(&e.ref);
}

START_TEST(marks)
{
	const char *why = ovl_set_up(&v, 1);

	if (why) {
		unit_skip(why);
		return;
	}
	for (const char *p = "abcdefg"; *p; p++)
		ovl_mkdir(&v, (char[]){ 'l', '1', '/', *p, '\0' });
	ovl_mark(&v, "l1/b", "trusted.overlay.opaque", "y");
	ovl_mark(&v, "l1/c", "user.overlay.opaque", "y");
	ovl_put(&v, "l1/d/.wh..wh..opq", "");
	ovl_mark(&v, "l1/e", "trusted.overlay.opaque", "x");
	ovl_mark(&v, "l1/f", "trusted.overlay.redirect", "/a/b");
	ovl_mark(&v, "l1/g", "user.overlay.redirect", "name");
	open_layer();
	check_marks("a", false, NULL);
	check_marks("b", true, NULL);
	check_marks("c", true, NULL);
	check_marks("d", true, NULL);
	check_marks("e", false, NULL);
	check_marks("f", false, "/a/b");
	check_marks("g", false, "name");
	close_layer();
}
END_TEST

START_TEST(a_lower_is_only_read)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	struct layer_entry e, d;
	struct seen s = { .n = 0 };
	struct stat st;
	const char *why = ovl_set_up(&v, 1);
	char c;
	int fd;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_put(&v, "l1/file", "x");
	ovl_mkdir(&v, "l1/dir");
	ck_assert_int_eq(utimensat(v.dir, "l1/file", old, 0), 0);
	ck_assert_int_eq(utimensat(v.dir, "l1/dir", old, 0), 0);
	open_layer();
	ck_assert_int_eq(look(&root.ref, "file", &e), 0);
	ck_assert_int_eq(l->ops->open(l, &e.ref, O_RDWR), -EROFS);
	fd = l->ops->open(l, &e.ref, O_RDONLY);
	ck_assert_int_eq(read(fd, &c, 1), 1);
	close(fd);
	ck_assert_int_eq(look(&root.ref, "dir", &d), 0);
	ck_assert_int_eq(l->ops->list(l, &d.ref, see, &s), 0);
	ck_assert(ovl_stat(&v, "l1/file", &st));
	ck_assert_int_eq(st.st_atim.tv_sec, 1000);
	ck_assert(ovl_stat(&v, "l1/dir", &st));
	ck_assert_int_eq(st.st_atim.tv_sec, 1000);
	dirlayer_ref_close(&d.ref);
	dirlayer_ref_close(&e.ref);
	close_layer();
}
END_TEST

START_TEST(no_such_layer)
{
	char path[UNIT_PATH_MAX + 8], err[400];
	struct dirlayer_config cfg = { .path = path, .index = 1 };
	const char *why = ovl_set_up(&v, 1);
	size_t before;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_put(&v, "file", "");
	cfg.fds = fdcache_new(4);
	before = unit_count_fds();
	snprintf(path, sizeof(path), "%s/absent", v.path);
	ck_assert_int_eq(dirlayer_new(&l, &cfg, err, sizeof(err)), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err, path));
	snprintf(path, sizeof(path), "%s/file", v.path);
	ck_assert_int_eq(dirlayer_new(&l, &cfg, err, sizeof(err)), -ENOTDIR);
	ck_assert_ptr_nonnull(strstr(err, path));
	ck_assert_uint_eq(unit_count_fds(), before);
	fdcache_free(cfg.fds);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(a_removed_inode_is_stale)
{
	struct layer_entry e;
	struct stat st;
	const char *why = ovl_set_up(&v, 1);
	int r;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_put(&v, "l1/file", "");
	open_layer();
	ck_assert_int_eq(look(&root.ref, "file", &e), 0);
	ck_assert_int_eq(unlinkat(v.dir, "l1/file", 0), 0);
	/* Another inode may have its number, but never its ref. */
	ovl_put(&v, "l1/next", "");
	r = l->ops->stat(l, &e.ref, &st);
	ck_assert(r == -ESTALE || (r == 0 && st.st_nlink == 0));
	dirlayer_ref_close(&e.ref);
	close_layer();
}
END_TEST

Suite *test_dirlayer_suite(void)
{
	Suite *s = suite_create("dirlayer");
	TCase *c = tcase_create("dirlayer");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_is_found);
	tcase_add_test(c, numbers_of_another_filesystem);
	tcase_add_test(c, whiteouts);
	tcase_add_test(c, listings);
	tcase_add_test(c, marks);
	tcase_add_test(c, a_lower_is_only_read);
	tcase_add_test(c, no_such_layer);
	tcase_add_test(c, a_removed_inode_is_stale);
	suite_add_tcase(s, c);
	return s;
}
