/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/dirlayer.h"
#include "fs/upper.h"
#include "fs/xattrs.h"
#include "tests/unit/ovl.h"

static struct ovl v;
static struct upper *u;
static struct fdcache *fds;
static int dir; /* the upper directory */

static void open_upper(void)
{
	struct workdir w = WORKDIR_NONE;
	char up[UNIT_PATH_MAX + 2], wk[UNIT_PATH_MAX + 2], err[600] = "";

	snprintf(up, sizeof(up), "%s/u", v.path);
	snprintf(wk, sizeof(wk), "%s/w", v.path);
	ck_assert_msg(!workdir_open(&w, up, wk, err, sizeof(err)), "%s", err);
	fds = fdcache_new(4);
	ck_assert_msg(!upper_new(&u, &w, OPTIONS_FSYNC_NONE, fds, err,
				 sizeof(err)),
		      "%s", err);
	ck_assert_int_eq(w.upperfd, -1); /* taken */
	dir = dirlayer_rootfd(upper_layer(u));
}

static void close_upper(void)
{
	struct layer *l = upper_layer(u);

	l->ops->free(l);
	upper_free(u);
	fdcache_free(fds);
}

/* False after a skip. */
static const char *set_up(void)
{
	const char *why = ovl_set_up(&v, 0);

	if (!why)
		open_upper();
	return why;
}

static unsigned count(const char *path)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *e;
	unsigned n = 0;

	d = fdopendir(openat(v.dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	return n;
}

static void tear_down(void)
{
	close_upper();
	ck_assert_uint_eq(count("w/work"), 0);
	ovl_tear_down(&v);
}

static bool is_whiteout(const char *path)
{
	struct stat st;

	return ovl_stat(&v, path, &st) && dirlayer_is_whiteout(&st);
}

START_TEST(whiteouts_are_one_inode)
{
	const char *why = set_up();
	struct stat a, b;

	if (why) {
		unit_skip(why);
		return;
	}
	ck_assert_int_eq(upper_whiteout(u, dir, "a"), 0);
	ck_assert_int_eq(upper_whiteout(u, dir, "b"), 0);
	ck_assert_int_eq(upper_whiteout(u, dir, "a"), -EEXIST);
	ck_assert(is_whiteout("u/a") && is_whiteout("u/b"));
	ck_assert(ovl_stat(&v, "u/a", &a) && ovl_stat(&v, "u/b", &b));
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ovl_put(&v, "u/file", "x");
	ck_assert_int_eq(upper_whiteout(u, dir, "file"), -EEXIST);
	ck_assert(!is_whiteout("u/file"));
	tear_down();
}
END_TEST

/* A filesystem allows so many links of one inode; then there is another. */
START_TEST(more_whiteouts_than_links)
{
	const char *why = set_up();
	unsigned links = 0;
	char name[16];
	struct stat st;

	if (why) {
		unit_skip(why);
		return;
	}
	for (unsigned n = 0; n < 66000; n++) {
		snprintf(name, sizeof(name), "w%u", n);
		ck_assert_int_eq(upper_whiteout(u, dir, name), 0);
	}
	for (unsigned n = 0; n < 66000; n += 65999) {
		snprintf(name, sizeof(name), "u/w%u", n);
		ck_assert(is_whiteout(name) && ovl_stat(&v, name, &st));
		links += (unsigned)st.st_nlink;
	}
	ck_assert_uint_ge(links, 66000);
	tear_down();
}
END_TEST

START_TEST(covering)
{
	const char *why = set_up();

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_put(&v, "u/file", "x");
	ovl_mkdir(&v, "u/dir");
	ovl_whiteout(&v, "u/dir/inside");
	ck_assert_int_eq(upper_cover(u, dir, "file", false), 0);
	ck_assert(is_whiteout("u/file"));
	ck_assert_int_eq(upper_cover(u, dir, "dir", true), 0);
	ck_assert(is_whiteout("u/dir"));
	ck_assert_int_eq(upper_cover(u, dir, "none", true), -ENOENT);
	ovl_mkdir(&v, "u/kept");
	ck_assert_int_lt(upper_cover(u, dir, "kept", false), 0);
	ck_assert(!is_whiteout("u/kept"));
	tear_down();
}
END_TEST

START_TEST(retiring_directories)
{
	const char *why = set_up();
	struct stat st;

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_mkdir(&v, "u/empty");
	ovl_mkdir(&v, "u/whited");
	ovl_whiteout(&v, "u/whited/a");
	ovl_whiteout(&v, "u/whited/b");
	ovl_put(&v, "u/file", "");
	ck_assert_int_eq(upper_retire_dir(u, dir, "empty"), 0);
	ck_assert_int_eq(upper_retire_dir(u, dir, "whited"), 0);
	ck_assert_int_eq(upper_retire_dir(u, dir, "none"), -ENOENT);
	ck_assert_int_eq(upper_retire_dir(u, dir, "file"), -ENOTDIR);
	ck_assert(!ovl_stat(&v, "u/empty", &st));
	ck_assert(!ovl_stat(&v, "u/whited", &st));
	ck_assert(ovl_stat(&v, "u/file", &st));
	tear_down();
}
END_TEST

static void make(const char *tmp, bool is_dir)
{
	int work = upper_workfd(u);

	if (is_dir)
		ck_assert_int_eq(mkdirat(work, tmp, 0700), 0);
	else
		ck_assert_int_eq(mknodat(work, tmp, S_IFREG | 0600, 0), 0);
}

START_TEST(publishing)
{
	const char *why = set_up();
	char tmp[UPPER_TMP_MAX], name[16];
	struct stat st;

	if (why) {
		unit_skip(why);
		return;
	}
	for (int is_dir = 0; is_dir < 2; is_dir++) {
		struct upper_place to = { .dirfd = dir, .name = name };
		int work = upper_workfd(u);

		/* In place of nothing. */
		snprintf(name, sizeof(name), "new%d", is_dir);
		make(upper_tmpname(u, tmp), is_dir);
		ck_assert_int_eq(upper_publish(u, work, tmp, is_dir, &to), 0);
		ck_assert_int_eq(fstatat(dir, name, &st, 0), 0);
		ck_assert_int_eq(!!S_ISDIR(st.st_mode), is_dir);
		ck_assert_int_eq(fdio_exists(work, tmp), 0);

		/* Something is there: it stays, and so does ours. */
		make(upper_tmpname(u, tmp), is_dir);
		ck_assert_int_eq(upper_publish(u, work, tmp, is_dir, &to),
				 -EEXIST);
		ck_assert_int_eq(fdio_exists(work, tmp), 1);

		/* In place of a whiteout, which goes. */
		snprintf(name, sizeof(name), "over%d", is_dir);
		ck_assert_int_eq(upper_whiteout(u, dir, name), 0);
		ck_assert_int_eq(upper_publish(u, work, tmp, is_dir, &to),
				 -EEXIST);
		to.over_whiteout = true;
		ck_assert_int_eq(upper_publish(u, work, tmp, is_dir, &to), 0);
		ck_assert_int_eq(fstatat(dir, name, &st, 0), 0);
		ck_assert_int_eq(!!S_ISDIR(st.st_mode), is_dir);
		ck_assert_int_eq(fdio_exists(work, tmp), 0);
	}
	tear_down();
}
END_TEST

START_TEST(scratch_inherits_as_the_place_does)
{
	static const unsigned char acl[] = {
		2,    0,    0, 0, 1,	0,    7,    0,	  0xff, 0xff,
		0xff, 0xff, 4, 0, 5,	0,    0xff, 0xff, 0xff, 0xff,
		32,   0,    0, 0, 0xff, 0xff, 0xff, 0xff,
	};
	const char *why = set_up();
	char tmp[UPPER_TMP_MAX];
	_cleanup_close_ int d = -1;
	struct stat st, work;
	int fd;

	if (why) {
		unit_skip(why);
		return;
	}
	/* Nothing to inherit: work itself. */
	fd = upper_scratch(u, dir, tmp);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(tmp, "");
	fstat(fd, &st);
	fstat(upper_workfd(u), &work);
	ck_assert_uint_eq(st.st_ino, work.st_ino);
	close(fd);
	upper_scratch_end(u, tmp);

	ovl_mkdir(&v, "u/sgid");
	d = fdio_openat(dir, "sgid", O_RDONLY | O_DIRECTORY, 0);
	ck_assert_int_eq(fchown(d, 0, 4242), 0);
	ck_assert_int_eq(fchmod(d, 02755), 0);
	if (xattrio_set(d, "system.posix_acl_default", acl, sizeof(acl), 0)) {
		unit_skip("no ACLs in TMPDIR");
		tear_down();
		return;
	}
	fd = upper_scratch(u, d, tmp);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_ne(tmp, "");
	ck_assert_int_eq(mkdirat(fd, "x", 0777), 0);
	ck_assert_int_eq(fstatat(fd, "x", &st, 0), 0);
	ck_assert_uint_eq(st.st_gid, 4242);
	ck_assert_uint_eq(st.st_mode & 07777, 02750);
	close(fd);
	upper_scratch_end(u, tmp);
	ck_assert_int_eq(fdio_exists(upper_workfd(u), tmp), 0);
	tear_down();
}
END_TEST

START_TEST(whose_upper_it_is)
{
	const char *why = ovl_set_up(&v, 0);

	if (why) {
		unit_skip(why);
		return;
	}
	/* Filled by others: their ".wh." names are whiteouts. */
	ovl_put(&v, "u/.wh.old", "");
	open_upper();
	ck_assert(dirlayer_wh_names(upper_layer(u)));
	close_upper();
	/* Fresh: they are names, and stay so for good. */
	ck_assert_int_eq(unlinkat(v.dir, "u/.wh.old", 0), 0);
	open_upper();
	ck_assert(!dirlayer_wh_names(upper_layer(u)));
	close_upper();
	ovl_put(&v, "u/.wh.new", "");
	open_upper();
	ck_assert(!dirlayer_wh_names(upper_layer(u)));
	tear_down();
}
END_TEST

/* Threads: one name in work each, whiteouts under the same names. */
static _Atomic unsigned made;

static void *compete(void *arg)
{
	char name[16], tmp[UPPER_TMP_MAX];

	(void)arg;
	for (unsigned n = 0; n < 2000; n++) {
		int r;

		snprintf(name, sizeof(name), "n%u", n);
		r = upper_whiteout(u, dir, name);
		ck_assert(r == 0 || r == -EEXIST);
		made += r == 0;
		upper_tmpname(u, tmp);
		ck_assert_int_eq(mkdirat(upper_workfd(u), tmp, 0700), 0);
		upper_discard(u, tmp);
	}
	return NULL;
}

START_TEST(threads)
{
	const char *why = set_up();
	pthread_t th[4];

	if (why) {
		unit_skip(why);
		return;
	}
	for (int n = 0; n < 4; n++)
		pthread_create(&th[n], NULL, compete, NULL);
	for (int n = 0; n < 4; n++)
		pthread_join(th[n], NULL);
	ck_assert_uint_eq(made, 2000);
	ck_assert_uint_eq(count("u"), 2000);
	tear_down();
}
END_TEST

Suite *test_upper_suite(void)
{
	Suite *s = suite_create("upper");
	TCase *c = tcase_create("upper");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, whiteouts_are_one_inode);
	tcase_add_test(c, more_whiteouts_than_links);
	tcase_add_test(c, covering);
	tcase_add_test(c, retiring_directories);
	tcase_add_test(c, publishing);
	tcase_add_test(c, scratch_inherits_as_the_place_does);
	tcase_add_test(c, whose_upper_it_is);
	tcase_add_test(c, threads);
	suite_add_tcase(s, c);
	return s;
}
