/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"

/*
 * What every test works on: a file "f" and a symlink "l" to it. Attributes
 * are trusted ones, because those a symlink can have too.
 */
struct nodes {
	int dir;
	int file;      /* open for reading and writing */
	int file_path; /* O_PATH */
	int link_path; /* O_PATH, the symlink itself */
};

/* False after a skip, with nothing open. */
static bool set_up(struct nodes *n)
{
	n->dir = unit_tmpdir(NULL);
	n->file = fdio_openat(n->dir, "f", O_CREAT | O_RDWR, 0644);
	n->file_path = fdio_openat(n->dir, "f", O_PATH, 0);
	ck_assert_int_eq(symlinkat("f", n->dir, "l"), 0);
	n->link_path = fdio_openat(n->dir, "l", O_PATH, 0);
	ck_assert_int_ge(n->link_path, 0);
	if (!fsetxattr(n->file, "trusted.probe", "", 0, 0) &&
	    !fremovexattr(n->file, "trusted.probe"))
		return true;
	unit_skip("no trusted xattrs: be root, and set TMPDIR to a real disk");
	close(n->dir);
	close(n->file);
	close(n->file_path);
	close(n->link_path);
	return false;
}

static void tear_down(const struct nodes *n)
{
	close(n->dir);
	close(n->file);
	close(n->file_path);
	close(n->link_path);
}

static void check_value(int fd, const char *name, const char *value)
{
	char buf[64] = "";

	ck_assert_int_eq(xattrio_get(fd, name, buf, sizeof(buf)),
			 (int)strlen(value));
	ck_assert_str_eq(buf, value);
}

START_TEST(set_get_remove)
{
	struct nodes n;

	if (!set_up(&n))
		return;
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? n.file : i == 1 ? n.file_path : n.link_path;

		ck_assert_int_eq(xattrio_get(fd, "trusted.a", NULL, 0),
				 -ENODATA);
		ck_assert_int_eq(xattrio_set(fd, "trusted.a", "one", 3, 0), 0);
		check_value(fd, "trusted.a", "one");
		ck_assert_int_eq(xattrio_get(fd, "trusted.a", NULL, 0), 3);
		ck_assert_int_eq(xattrio_set(fd, "trusted.a", "", 0, 0), 0);
		check_value(fd, "trusted.a", "");
		ck_assert_int_eq(xattrio_remove(fd, "trusted.a"), 0);
		ck_assert_int_eq(xattrio_remove(fd, "trusted.a"), -ENODATA);
	}
	tear_down(&n);
}
END_TEST

START_TEST(a_symlink_is_not_what_it_points_to)
{
	struct nodes n;

	if (!set_up(&n))
		return;
	ck_assert_int_eq(xattrio_set(n.link_path, "trusted.a", "l", 1, 0), 0);
	ck_assert_int_eq(xattrio_set(n.file, "trusted.b", "f", 1, 0), 0);
	ck_assert_int_eq(xattrio_get(n.file, "trusted.a", NULL, 0), -ENODATA);
	ck_assert_int_eq(xattrio_get(n.link_path, "trusted.b", NULL, 0),
			 -ENODATA);
	ck_assert_int_eq(xattrio_remove(n.link_path, "trusted.b"), -ENODATA);
	ck_assert_int_eq(xattrio_getat(n.dir, "l", "trusted.b", NULL, 0),
			 -ENODATA);
	ck_assert_int_eq(xattrio_getat(n.dir, "l", "trusted.a", NULL, 0), 1);
	ck_assert_int_eq(xattrio_set(n.link_path, "user.a", "x", 1, 0), -EPERM);
	check_value(n.file, "trusted.b", "f");
	tear_down(&n);
}
END_TEST

START_TEST(flags_and_errors)
{
	char name[300], buf[4];
	struct nodes n;

	if (!set_up(&n))
		return;
	memset(name, 'x', sizeof(name));
	memcpy(name, "trusted.", 8);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		int fd = i ? n.file_path : n.file;

		ck_assert_int_eq(xattrio_set(fd, "trusted.a", "12345", 5,
					     XATTR_REPLACE),
				 -ENODATA);
		ck_assert_int_eq(xattrio_set(fd, "trusted.a", "12345", 5,
					     XATTR_CREATE),
				 0);
		ck_assert_int_eq(xattrio_set(fd, "trusted.a", "6", 1,
					     XATTR_CREATE),
				 -EEXIST);
		check_value(fd, "trusted.a", "12345");
		ck_assert_int_eq(xattrio_get(fd, "trusted.a", buf, sizeof(buf)),
				 -ERANGE);
		ck_assert_int_eq(xattrio_list(fd, buf, sizeof(buf)), -ERANGE);
		ck_assert_int_eq(xattrio_set(fd, name, "x", 1, 0), -ERANGE);
		ck_assert_int_eq(xattrio_set(fd, "nonsense.x", "x", 1, 0),
				 -EOPNOTSUPP);
		ck_assert_int_eq(xattrio_remove(fd, "trusted.a"), 0);
	}
	tear_down(&n);
}
END_TEST

/* A closed descriptor, and none, name nothing that has attributes. */
START_TEST(bad_descriptors)
{
	static const int bad[] = { 900, -1 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *out = NULL, buf[100];
		int fd = bad[i];

		ck_assert_int_eq(xattrio_get(fd, "user.a", buf, 100), -EBADF);
		ck_assert_int_eq(xattrio_list(fd, buf, 100), -EBADF);
		ck_assert_int_eq(xattrio_set(fd, "user.a", "", 0, 0), -EBADF);
		ck_assert_int_eq(xattrio_remove(fd, "user.a"), -EBADF);
		ck_assert_int_eq(xattrio_getat(fd, "f", "user.a", buf, 100),
				 -EBADF);
		ck_assert_int_eq(xattrio_dup(fd, NULL, &out), -EBADF);
		ck_assert_ptr_null(out);
	}
}
END_TEST

START_TEST(by_name_in_a_directory)
{
	struct nodes n;
	char buf[8] = "";
	size_t fds;

	if (!set_up(&n))
		return;
	fds = unit_count_fds();
	ck_assert_int_eq(xattrio_set(n.file, "trusted.a", "value", 5, 0), 0);
	ck_assert_int_eq(xattrio_getat(n.dir, "f", "trusted.a", buf, 8), 5);
	ck_assert_str_eq(buf, "value");
	ck_assert_int_eq(xattrio_getat(n.dir, "f", "trusted.a", NULL, 0), 5);
	ck_assert_int_eq(xattrio_getat(n.dir, "f", "trusted.a", buf, 4),
			 -ERANGE);
	ck_assert_int_eq(xattrio_getat(n.dir, "f", "trusted.b", buf, 8),
			 -ENODATA);
	ck_assert_int_eq(xattrio_getat(n.dir, "none", "trusted.a", buf, 8),
			 -ENOENT);
	ck_assert_int_eq(xattrio_getat(n.file, "f", "trusted.a", buf, 8),
			 -ENOTDIR);
	ck_assert_uint_eq(unit_count_fds(), fds);
	tear_down(&n);
}
END_TEST

START_TEST(dup_of_a_value)
{
	static char big[3000], *out;
	struct nodes n;

	if (!set_up(&n))
		return;
	memset(big, 'v', sizeof(big));
	big[100] = '\0';
	ck_assert_int_eq(xattrio_set(n.file, "trusted.a", big, sizeof(big), 0),
			 0);
	ck_assert_int_eq(xattrio_dup(n.file_path, "trusted.a", &out),
			 sizeof(big));
	ck_assert_mem_eq(out, big, sizeof(big));
	ck_assert_int_eq(out[sizeof(big)], '\0');
	free(out);

	ck_assert_int_eq(xattrio_set(n.file, "trusted.a", "", 0, 0), 0);
	ck_assert_int_eq(xattrio_dup(n.file, "trusted.a", &out), 0);
	ck_assert_str_eq(out, "");
	free(out);

	out = big;
	ck_assert_int_eq(xattrio_dup(n.file, "trusted.b", &out), -ENODATA);
	ck_assert_ptr_eq(out, big);
	tear_down(&n);
}
END_TEST

/* Is NAME in LIST of LEN bytes? */
static bool lists(const char *list, ssize_t len, const char *name)
{
	for (const char *s = list; s < list + len; s += strlen(s) + 1)
		if (!strcmp(s, name))
			return true;
	return false;
}

START_TEST(dup_of_the_list)
{
	struct nodes n;
	char *out, name[32];
	ssize_t len;

	if (!set_up(&n))
		return;
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "trusted.number-%d", i);
		ck_assert_int_eq(xattrio_set(n.link_path, name, "", 0, 0), 0);
	}
	len = xattrio_dup(n.link_path, NULL, &out);
	ck_assert_int_ge(len, 40 * 17);
	ck_assert_int_eq(xattrio_list(n.link_path, NULL, 0), len);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "trusted.number-%d", i);
		ck_assert(lists(out, len, name));
	}
	ck_assert_int_eq(out[len], '\0');
	free(out);
	len = xattrio_dup(n.file, NULL, &out);
	ck_assert_int_ge(len, 0);
	ck_assert(!lists(out, len, "trusted.number-1"));
	free(out);
	tear_down(&n);
}
END_TEST

Suite *test_xattrio_suite(void)
{
	Suite *s = suite_create("xattrio");
	TCase *t = tcase_create("xattrio");

	tcase_add_test(t, set_get_remove);
	tcase_add_test(t, a_symlink_is_not_what_it_points_to);
	tcase_add_test(t, flags_and_errors);
	tcase_add_test(t, bad_descriptors);
	tcase_add_test(t, by_name_in_a_directory);
	tcase_add_test(t, dup_of_a_value);
	tcase_add_test(t, dup_of_the_list);
	suite_add_tcase(s, t);
	return s;
}
