/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations that are killed at each of their system calls, one after the
 * other, some of them twice, and done again by a successor: it answers as if
 * nothing had happened, and the tables, the merged tree and the disk are as
 * after one operation.
 */
#include "tests/unit/crashed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/copyup.h"
#include "fs/create.h"
#include "fs/exattr.h"
#include "fs/gatefile.h"
#include "fs/link.h"
#include "fs/remove.h"
#include "fs/rename.h"

#define STOPS_MOST 2000
/* One stop in so many: a process is slow to make with a sanitizer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEP 4
#else
#define STEP 1
#endif

/*
 * The same tree for all. Lower: files f, g, s (symlink), hard links h1 h2,
 * k1 k2, a directory d with files in two layers, an empty one e; upper: a file
 * u, a directory ud with a file, an empty one ue, hard links v1 v2. cu was
 * copied up, k1, m1 and m2, which has capabilities, were as far as their
 * metadata. w and wd are whiteouts; hollow is a directory that holds nothing
 * but whiteouts.
 */
static void fill(const struct ovl *v)
{
	static const char *const dirs[] = { "l1/d",	    "l1/e", "l1/hollow",
					    "l1/wd",	    "l2/d", "l1/d/sub",
					    "l1/d/sub/deep" };
	static const char *const files[] = {
		"l1/f",	 "l1/g",   "l1/h1",  "l1/k1",		"l1/cu",
		"l1/w",	 "l1/d/a", "l2/d/b", "l1/d/sub/deep/x", "l1/hollow/x",
		"l1/m1", "l1/m2"
	};
	static const char caps[20] = { 1, 0, 0, 2, 0, 4 };
	char m2[UNIT_PATH_MAX + 16];

	for (unsigned k = 0; k < ARRAY_SIZE(dirs); k++)
		ovl_mkdir(v, dirs[k]);
	for (unsigned k = 0; k < ARRAY_SIZE(files); k++)
		ovl_put(v, files[k], files[k]);
	ck_assert_int_eq(symlinkat("target", v->dir, "l1/s"), 0);
	ck_assert_int_eq(linkat(v->dir, "l1/h1", v->dir, "l1/h2", 0), 0);
	ck_assert_int_eq(linkat(v->dir, "l1/k1", v->dir, "l1/k2", 0), 0);
	ovl_mark(v, "l1/g", "user.there", "yes");
	snprintf(m2, sizeof(m2), "%s/l1/m2", v->path);
	ck_assert_int_eq(setxattr(m2, "security.capability", caps, 20, 0), 0);
}

static int give(const struct ovl *v, const char *path, enum copyup_want want)
{
	struct inode *i = ovl_get(v, path, NULL);
	int r = copyup(v->o, i, want);

	ovl_put_back(v, i);
	return r;
}

static void prepare(const struct ovl *v)
{
	struct inode *i, *root;
	struct stat st;

	ck_assert_int_eq(ovl_make(v, "", "u", S_IFREG | 0644), 0);
	ck_assert_int_eq(ovl_write(v, "u", "upper"), 0);
	ck_assert_int_eq(ovl_make(v, "", "ud", S_IFDIR | 0755), 0);
	ck_assert_int_eq(ovl_make(v, "ud", "x", S_IFREG | 0600), 0);
	ck_assert_int_eq(ovl_make(v, "", "ue", S_IFDIR | 0700), 0);
	ck_assert_int_eq(ovl_make(v, "", "v1", S_IFREG | 0640), 0);
	i = ovl_get(v, "v1", NULL);
	root = ovl_get(v, "", NULL);
	ck_assert_int_eq(link_name(v->o, i, root, "v2", &st), 0);
	ovl_put_back(v, i);
	ovl_put_back(v, root);
	ck_assert_int_eq(ovl_write(v, "cu", "copied up"), 0);
	ck_assert_int_eq(ovl_remove(v, "", "w", false), 0);
	ck_assert_int_eq(ovl_remove(v, "", "wd", true), 0);
	ck_assert_int_eq(ovl_remove(v, "hollow", "x", false), 0);
	ck_assert_int_eq(give(v, "k1", COPYUP_META), 0);
	ck_assert_int_eq(give(v, "m1", COPYUP_META), 0);
	ck_assert_int_eq(give(v, "m2", COPYUP_META), 0);
}

/* What is done, with one or two names. */
enum what {
	MAKE,
	MAKE_OPEN,
	UNNAMED,
	LINK,
	UNLINK,
	RMDIR,
	RENAME,
	SETXATTR,
	REMOVEXATTR,
	COPYUP,
};

struct row {
	enum what what;
	unsigned arg; /* mode, flags, how much */
	const char *dir, *name, *to_dir, *to;
	int result;
};

static const struct row rows[] = {
	{ MAKE, S_IFREG | 0644, "", "new", NULL, NULL, 0 },
	{ MAKE, S_IFREG | 0644, "ud", "new", NULL, NULL, 0 },
	{ MAKE, S_IFREG | 0644, "d/sub", "new", NULL, NULL, 0 },
	{ MAKE, S_IFREG | 0644, "", "w", NULL, NULL, 0 },
	{ MAKE, S_IFREG | 0644, "", "wd", NULL, NULL, 0 },
	{ MAKE, S_IFDIR | 0750, "", "new", NULL, NULL, 0 },
	{ MAKE, S_IFDIR | 0750, "", "w", NULL, NULL, 0 },
	{ MAKE, S_IFDIR | 0750, "", "wd", NULL, NULL, 0 },
	{ MAKE, S_IFLNK | 0777, "d", "new", NULL, NULL, 0 },
	{ MAKE, S_IFLNK | 0777, "", "w", NULL, NULL, 0 },
	{ MAKE, S_IFIFO | 0600, "", "new", NULL, NULL, 0 },
	{ MAKE, S_IFCHR | 0600, "", "new", NULL, NULL, 0 },
	{ MAKE, S_IFCHR | 0600, "hollow", "x", NULL, NULL, 0 },
	{ MAKE_OPEN, S_IFREG | 0644, "", "new", NULL, NULL, 0 },
	{ MAKE_OPEN, S_IFREG | 0644, "ud", "new", NULL, NULL, 0 },
	{ MAKE_OPEN, S_IFREG | 0644, "", "w", NULL, NULL, 0 },
	{ UNNAMED, S_IFREG | 0644, "ud", "", NULL, NULL, 0 },
	{ UNNAMED, S_IFREG | 0644, "d/sub", "", NULL, NULL, 0 },
	{ LINK, 0, "", "u", "ud", "new", 0 },
	{ LINK, 0, "", "f", "", "new", 0 },
	{ LINK, 0, "", "f", "d/sub", "new", 0 },
	{ LINK, 0, "", "h1", "ud", "new", 0 },
	{ LINK, 0, "", "h1", "", "w", 0 },
	{ LINK, 0, "", "k2", "", "new", 0 },
	{ LINK, 0, "", "v1", "hollow", "x", 0 },
	{ LINK, 0, "", "m1", "", "new", 0 },
	{ LINK, 0, "", "s", "", "new", 0 },
	{ LINK, 0, "", "u", "", "f", -EEXIST },
	{ LINK, 0, "", "h1", "", "h2", -EEXIST },
	{ UNLINK, 0, "", "u", NULL, NULL, 0 },
	{ UNLINK, 0, "", "f", NULL, NULL, 0 },
	{ UNLINK, 0, "", "s", NULL, NULL, 0 },
	{ UNLINK, 0, "", "cu", NULL, NULL, 0 },
	{ UNLINK, 0, "", "h1", NULL, NULL, 0 },
	{ UNLINK, 0, "", "k1", NULL, NULL, 0 },
	{ UNLINK, 0, "", "k2", NULL, NULL, 0 },
	{ UNLINK, 0, "", "v2", NULL, NULL, 0 },
	{ UNLINK, 0, "", "m1", NULL, NULL, 0 },
	{ UNLINK, 0, "d", "b", NULL, NULL, 0 },
	{ UNLINK, 0, "", "w", NULL, NULL, -ENOENT },
	{ UNLINK, 0, "", "nothing", NULL, NULL, -ENOENT },
	{ UNLINK, 0, "", "d", NULL, NULL, -EISDIR },
	{ RMDIR, 0, "", "ue", NULL, NULL, 0 },
	{ RMDIR, 0, "", "e", NULL, NULL, 0 },
	{ RMDIR, 0, "", "hollow", NULL, NULL, 0 },
	{ RMDIR, 0, "", "d", NULL, NULL, -ENOTEMPTY },
	{ RMDIR, 0, "", "ud", NULL, NULL, -ENOTEMPTY },
	{ RMDIR, 0, "", "f", NULL, NULL, -ENOTDIR },
	{ RMDIR, 0, "", "wd", NULL, NULL, -ENOENT },
	{ RENAME, 0, "", "u", "", "new", 0 },
	{ RENAME, 0, "", "u", "ud", "new", 0 },
	{ RENAME, 0, "", "u", "", "f", 0 },
	{ RENAME, 0, "", "u", "", "cu", 0 },
	{ RENAME, 0, "", "u", "ud", "x", 0 },
	{ RENAME, 0, "", "u", "", "w", 0 },
	{ RENAME, 0, "", "u", "", "h1", 0 },
	{ RENAME, 0, "", "u", "", "k2", 0 },
	{ RENAME, 0, "", "u", "", "v1", 0 },
	{ RENAME, 0, "", "f", "", "new", 0 },
	{ RENAME, 0, "", "f", "", "g", 0 },
	{ RENAME, 0, "", "f", "d/sub", "new", 0 },
	{ RENAME, 0, "", "f", "", "w", 0 },
	{ RENAME, 0, "", "f", "hollow", "x", 0 },
	{ RENAME, 0, "", "cu", "", "u", 0 },
	{ RENAME, 0, "", "m1", "", "new", 0 },
	{ RENAME, 0, "", "h1", "", "new", 0 },
	{ RENAME, 0, "", "k2", "", "new", 0 },
	{ RENAME, 0, "", "k1", "", "g", 0 },
	{ RENAME, 0, "", "v1", "", "v2", 0 },
	{ RENAME, 0, "", "h1", "", "h2", 0 },
	{ RENAME, 0, "", "s", "", "new", 0 },
	{ RENAME, 0, "", "nothing", "", "new", -ENOENT },
	{ RENAME, 0, "", "ud", "", "new", 0 },
	{ RENAME, 0, "", "ud", "", "ue", 0 },
	{ RENAME, 0, "", "ud", "", "e", 0 },
	{ RENAME, 0, "", "ud", "", "hollow", 0 },
	{ RENAME, 0, "", "ud", "", "w", 0 },
	{ RENAME, 0, "", "ud", "", "wd", 0 },
	{ RENAME, 0, "", "d", "", "new", 0 },
	{ RENAME, 0, "", "d", "", "ue", 0 },
	{ RENAME, 0, "", "d", "", "wd", 0 },
	{ RENAME, 0, "", "d", "", "hollow", 0 },
	{ RENAME, 0, "d", "sub", "ud", "new", 0 },
	{ RENAME, 0, "", "ue", "", "ud", -ENOTEMPTY },
	{ RENAME, 0, "", "ue", "", "u", -ENOTDIR },
	{ RENAME, 0, "", "u", "", "ue", -EISDIR },
	{ RENAME, RENAME_NOREPLACE, "", "u", "", "new", 0 },
	{ RENAME, RENAME_NOREPLACE, "", "f", "", "w", 0 },
	{ RENAME, RENAME_NOREPLACE, "", "u", "", "f", -EEXIST },
	{ RENAME, RENAME_EXCHANGE, "", "u", "", "v1", 0 },
	{ RENAME, RENAME_EXCHANGE, "", "u", "", "f", 0 },
	{ RENAME, RENAME_EXCHANGE, "", "f", "", "g", 0 },
	{ RENAME, RENAME_EXCHANGE, "", "f", "d/sub", "deep", 0 },
	{ RENAME, RENAME_EXCHANGE, "", "d", "", "ud", 0 },
	{ RENAME, RENAME_EXCHANGE, "", "d", "", "e", 0 },
	{ RENAME, RENAME_EXCHANGE, "", "k2", "ud", "x", 0 },
	{ RENAME, RENAME_EXCHANGE, "", "u", "", "nothing", -ENOENT },
	{ RENAME, RENAME_WHITEOUT, "", "u", "", "new", 0 },
	{ RENAME, RENAME_WHITEOUT, "", "f", "", "new", 0 },
	{ RENAME, RENAME_WHITEOUT, "", "f", "", "w", 0 },
	{ RENAME, RENAME_WHITEOUT, "", "u", "", "g", 0 },
	{ RENAME, RENAME_WHITEOUT, "", "ud", "", "wd", 0 },
	{ SETXATTR, 0, "", "u", NULL, NULL, 0 },
	{ SETXATTR, 0, "", "f", NULL, NULL, 0 },
	{ SETXATTR, XATTR_CREATE, "", "u", NULL, NULL, 0 },
	{ SETXATTR, XATTR_CREATE, "", "f", NULL, NULL, 0 },
	{ SETXATTR, XATTR_CREATE, "d", "sub", NULL, NULL, 0 },
	{ SETXATTR, XATTR_CREATE, "", "g", NULL, NULL, -EEXIST },
	{ SETXATTR, XATTR_REPLACE, "", "g", NULL, NULL, 0 },
	{ SETXATTR, XATTR_REPLACE, "", "u", NULL, NULL, -ENODATA },
	{ REMOVEXATTR, 0, "", "g", NULL, NULL, 0 },
	{ REMOVEXATTR, 0, "", "u", NULL, NULL, -ENODATA },
	{ REMOVEXATTR, 0, "", "m2", NULL, NULL, 0 },
	{ COPYUP, COPYUP_META, "", "f", NULL, NULL, 0 },
	{ COPYUP, COPYUP_DATA, "", "f", NULL, NULL, 0 },
	{ COPYUP, COPYUP_EMPTY, "", "f", NULL, NULL, 0 },
	{ COPYUP, COPYUP_META, "", "h1", NULL, NULL, 0 },
	{ COPYUP, COPYUP_DATA, "", "h2", NULL, NULL, 0 },
	{ COPYUP, COPYUP_DATA, "", "k2", NULL, NULL, 0 },
	{ COPYUP, COPYUP_DATA, "", "m1", NULL, NULL, 0 },
	{ COPYUP, COPYUP_EMPTY, "", "m1", NULL, NULL, 0 },
	{ COPYUP, COPYUP_DATA, "", "m2", NULL, NULL, 0 },
	{ COPYUP, COPYUP_EMPTY, "", "m2", NULL, NULL, 0 },
	{ COPYUP, COPYUP_META, "", "s", NULL, NULL, 0 },
	{ COPYUP, COPYUP_META, "", "d", NULL, NULL, 0 },
	{ COPYUP, COPYUP_DATA, "d/sub/deep", "x", NULL, NULL, 0 },
};

static const struct row *row;

static const char *path_of(const char *dir, const char *name, char buf[256])
{
	snprintf(buf, 256, "%s%s%s", dir, *dir && *name ? "/" : "", name);
	return buf;
}

static int make(const struct ovl *v, struct inode *dir)
{
	struct create_spec spec = { .mode = row->arg,
				    .target = "target",
				    .open = row->what != MAKE };
	struct create_result res;
	int r = row->what == UNNAMED
			? create_unnamed(v->o, dir, &spec, &res)
			: create(v->o, dir, row->name, &spec, &res);

	if (r < 0)
		return r;
	ck_assert_int_eq(res.fd >= 0, spec.open);
	if (res.fd >= 0)
		close(res.fd);
	ovl_put_back(v, res.inode);
	return r;
}

static int change_names(const struct ovl *v, struct inode *dir)
{
	struct rename_spec spec = { .from_dir = dir,
				    .from = row->name,
				    .to = row->to,
				    .flags = row->arg };
	struct inode *i = NULL;
	struct stat st;
	int r = 0;

	spec.to_dir = ovl_walk(v, row->to_dir, NULL, &r);
	if (r == 0 && row->what == LINK) {
		char path[256];

		i = ovl_walk(v, path_of(row->dir, row->name, path), NULL, &r);
		if (r == 0)
			r = link_name(v->o, i, spec.to_dir, row->to, &st);
	} else if (r == 0) {
		r = rename_name(v->o, &spec);
	}
	ovl_put_back(v, i);
	ovl_put_back(v, spec.to_dir);
	return r;
}

static int change_inode(const struct ovl *v)
{
	struct exattr_value value = { "value", 5, (int)row->arg, false };
	const char *attr = row->arg == XATTR_REPLACE ||
					   strcmp(row->name, "g") == 0
				   ? "user.there"
				   : "user.new";
	char path[256];
	int r;
	struct inode *i =
		ovl_walk(v, path_of(row->dir, row->name, path), NULL, &r);

	if (r < 0)
		return r;
	if (strcmp(row->name, "m2") == 0)
		attr = "security.capability";
	if (row->what == COPYUP)
		r = copyup(v->o, i, (enum copyup_want)row->arg);
	else if (row->what == SETXATTR)
		r = exattr_set(v->o, i, attr, &value);
	else
		r = exattr_remove(v->o, i, attr);
	ovl_put_back(v, i);
	return r;
}

static int operate(const struct ovl *v)
{
	int r;
	struct inode *dir = ovl_walk(v, row->dir, NULL, &r);

	if (r < 0)
		return r;
	switch (row->what) {
	case MAKE:
	case MAKE_OPEN:
	case UNNAMED:
		r = make(v, dir);
		break;
	case LINK:
	case RENAME:
		r = change_names(v, dir);
		break;
	case UNLINK:
	case RMDIR:
		r = remove_name(v->o, dir, row->name, row->what == RMDIR);
		break;
	default:
		r = change_inode(v);
		break;
	}
	ovl_put_back(v, dir);
	return r;
}

static void set_up(struct ovl *v)
{
	ck_assert_ptr_null(ovl_set_up(v, 2));
	v->more = ",volatile"; /* what is synced is not looked at */
	fill(v);
	ovl_begin(v, true);
	prepare(v);
}

static uint64_t nodeid_at(const struct ovl *v, const char *dir,
			  const char *name)
{
	char path[256];
	int err;
	struct inode *i = ovl_walk(v, path_of(dir, name, path), NULL, &err);
	uint64_t nodeid = i ? itable_nodeid(v->o->inodes, i) : 0;

	ovl_put_back(v, i);
	return nodeid;
}

/* How it looks when nothing happens in between; with a mount afterwards. */
static void reference(char *picture[2])
{
	struct ovl v;

	set_up(&v);
	ck_assert_int_eq(operate(&v), row->result);
	picture[0] = crashed_picture(&v);
	ovl_again(&v);
	picture[1] = crashed_picture(&v);
	ovl_tear_down(&v);
}

/*
 * A file with two names below that died between its place in work/index and
 * its name in upper stays without that name: the other form of the same.
 */
static bool has_two_forms(void)
{
	return row->name[0] == 'h' && strlen(row->name) == 2;
}

static void compare(const struct ovl *v, const char *want, unsigned n,
		    const char *when)
{
	_cleanup_free_ char *got = crashed_picture(v);
	size_t end = has_two_forms() ? (size_t)(strstr(want, "--\n") - want)
				     : strlen(want) + 1;
	size_t line = 0, k = 0;

	while (k < end && got[k] == want[k])
		line = want[k++] == '\n' ? k : line;
	ck_assert_msg(k >= end, "stop %u, %s: '%.*s', and should be '%.*s'", n,
		      when, (int)strcspn(got + line, "\n"), got + line,
		      (int)strcspn(want + line, "\n"), want + line);
}

static void check_after(struct crashed *c, uint64_t moved, char *picture[2],
			unsigned n)
{
	int r = crashed_again(c, operate);

	ck_assert_msg(r == row->result, "stop %u: %s", n, strerror(-r));
	if (row->what == RENAME && r == 0)
		ck_assert_uint_eq(nodeid_at(c->v, row->to_dir, row->to), moved);
	compare(c->v, picture[0], n, "mounted");
	crashed_forget(c);
	ovl_again(c->v);
	compare(c->v, picture[1], n, "mounted again");
}

/* Killed at stop `n`, and then perhaps once more. */
static bool try(char *picture[2], unsigned n, const unsigned *then)
{
	struct crashed c;
	struct ovl v;
	char path[256];
	uint64_t moved;
	bool more;

	set_up(&v);
	crashed_begin(&c, &v);
	crashed_know(&c, path_of(row->dir, row->name, path));
	if (row->to)
		crashed_know(&c, path_of(row->to_dir, row->to, path));
	moved = nodeid_at(&v, row->dir, row->name);
	more = crashed_run(&c, operate, n);
	crashed_recover(&c);
	if (then) {
		crashed_run(&c, operate, *then);
		crashed_recover(&c);
	}
	check_after(&c, moved, picture, n);
	crashed_end(&c);
	ovl_tear_down(&v);
	return more;
}

START_TEST(killed_at_each_system_call)
{
	char *picture[2], text[128];
	const char *why = crashed_possible();
	struct unit_rand rand;
	unsigned n, stops = 0;
	struct ovl v;

	if (!why) {
		why = ovl_set_up(&v, 0);
		if (!why)
			ovl_tear_down(&v);
	}
	if (why) {
		unit_skip(why);
		return;
	}
	row = &rows[_i];
	snprintf(text, sizeof(text), "row %d: %d %x %s/%s %s/%s", _i, row->what,
		 row->arg, row->dir, row->name, row->to_dir ? row->to_dir : "",
		 row->to ? row->to : "");
	unit_row(text);
	reference(picture);
	unit_rand_start(&rand);
	for (n = unit_rand(&rand, STEP); try(picture, n, NULL); n += STEP)
		ck_assert_uint_lt(++stops, STOPS_MOST);
	/* What is not refused makes, changes and removes: not in one call. */
	if (row->result == 0)
		ck_assert_uint_gt(stops * STEP, 4);
	for (unsigned k = 0; k < n; k += 4 * STEP) {
		unsigned then = unit_rand(&rand, n + 1);

		try(picture, k + unit_rand(&rand, 4), &then);
	}
	free(picture[0]);
	free(picture[1]);
}
END_TEST

#define HOLES (1 << 20)
#define LONG_AGO 1000000000

static int fill_holes(const struct ovl *v)
{
	int fd = openat(v->dir, "u/holes", O_RDWR | O_CLOEXEC), r = -errno;
	struct inode *i;

	if (fd < 0)
		return r;
	i = ovl_walk(v, "holes", NULL, &r);
	if (i)
		r = gatefile_fill(v->o, i, fd);
	ovl_put_back(v, i);
	close(fd);
	return r;
}

static bool try_to_fill(unsigned n)
{
	struct timespec times[2] = { { .tv_sec = LONG_AGO, .tv_nsec = 1 },
				     { .tv_sec = LONG_AGO, .tv_nsec = 2 } };
	struct crashed c;
	struct stat st;
	struct ovl v;
	bool more;
	int fd;

	set_up(&v);
	ck_assert_int_eq(ovl_make(&v, "", "holes", S_IFREG | 0644), 0);
	fd = openat(v.dir, "u/holes", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, HOLES), 0);
	ck_assert_int_eq(futimens(fd, times), 0);
	crashed_begin(&c, &v);
	crashed_know(&c, "holes");
	more = crashed_run(&c, fill_holes, n);
	crashed_recover(&c);
	ck_assert_int_eq(crashed_again(&c, fill_holes), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_ge(st.st_blocks * 512, HOLES);
	ck_assert_msg(st.st_mtim.tv_sec == LONG_AGO && st.st_mtim.tv_nsec == 2,
		      "stop %u: mtime %lld.%09ld", n,
		      (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	crashed_forget(&c);
	crashed_end(&c);
	close(fd);
	ovl_tear_down(&v);
	return more;
}

/* Nobody has written: the file's time stays, whoever fills its holes. */
START_TEST(filled_holes_keep_their_time)
{
	const char *why = crashed_possible();
	unsigned n = 0;

	if (why) {
		unit_skip(why);
		return;
	}
	while (try_to_fill(n))
		ck_assert_uint_lt(++n, STOPS_MOST);
	ck_assert_uint_gt(n, 4);
}
END_TEST

Suite *test_again_suite(void)
{
	Suite *s = suite_create("again");
	TCase *t = tcase_create("again");

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, killed_at_each_system_call, 0, ARRAY_SIZE(rows));
	tcase_add_test(t, filled_holes_keep_their_time);
	suite_add_tcase(s, t);
	return s;
}
