/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/xattrs.h"
#include "tests/unit/ovl.h"

START_TEST(redirects_that_may_be_followed)
{
	static const struct {
		const char *redirect;
		bool ok;
	} rows[] = {
		{ "/a/b", true }, { "/", true },       { "b", true },
		{ "..b", true },  { "", false },       { ".", false },
		{ "..", false },  { "a/../b", false }, { "../b", false },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(rows); n++)
		ck_assert_msg(xattrs_redirect_ok(rows[n].redirect) ==
				      rows[n].ok,
			      "'%s'", rows[n].redirect);
}
END_TEST

START_TEST(the_guests_names)
{
	static const struct {
		const char *guest, *disk;
	} rows[] = {
		{ "user.a", "user.a" },
		{ "trusted.a", "trusted.a" },
		{ "trusted.overlay", "trusted.overlay" },
		{ "trusted.overlay.", "trusted.overlay.overlay." },
		{ "trusted.overlay.opaque", "trusted.overlay.overlay.opaque" },
		{ "user.overlay.x", "user.overlay.overlay.x" },
		{ "trusted.overlay.overlay.opaque",
		  "trusted.overlay.overlay.overlay.opaque" },
		{ "trusted.overlayfs", "trusted.overlayfs" },
		{ "security.capability", "security.capability" },
		{ "user.trusted.overlay.x", "user.trusted.overlay.x" },
	};
	char buf[XATTRS_NAME_MAX];

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		unit_row(rows[n].guest);
		ck_assert_str_eq(xattrs_to_disk(rows[n].guest, buf),
				 rows[n].disk);
		ck_assert_str_eq(xattrs_to_guest(rows[n].disk, buf),
				 rows[n].guest);
	}
}
END_TEST

START_TEST(our_own_show_to_nobody)
{
	static const char *const marks[] = {
		XATTRS_OPAQUE,
		XATTRS_REDIRECT,
		XATTRS_IMPURE,
		XATTRS_METACOPY,
		XATTRS_WHITEOUT,
		XATTRS_RECORD,
		XATTRS_FORMAT,
		XATTRS_INDEX,
		XATTRS_TIMES,
		XATTRS_CAPS,
		"",
		"overlay",
		"origin",
		"uuid",
	};
	char buf[XATTRS_NAME_MAX], name[64];

	for (size_t n = 0; n < ARRAY_SIZE(marks); n++) {
		unit_row(marks[n]);
		snprintf(name, sizeof(name), "trusted.overlay.%s", marks[n]);
		ck_assert_ptr_null(xattrs_to_guest(name, buf));
		snprintf(name, sizeof(name), "user.overlay.%s", marks[n]);
		ck_assert_ptr_null(xattrs_to_guest(name, buf));
	}
}
END_TEST

/* No name that a guest gives reaches one of ours. */
START_TEST(no_way_around)
{
	static const char *const parts[] = { "trusted.", "user.",  "overlay.",
					     "overlay",	 "opaque", "x",
					     "." };
	char name[128], disk[XATTRS_NAME_MAX], back[XATTRS_NAME_MAX];
	struct unit_rand r;

	unit_rand_start(&r);
	for (int n = 0; n < 20000; n++) {
		const char *d, *g;

		name[0] = '\0';
		for (unsigned k = unit_rand(&r, 6) + 1; k-- > 0;)
			snprintf(name + strlen(name),
				 sizeof(name) - strlen(name), "%s",
				 parts[unit_rand(&r, ARRAY_SIZE(parts))]);
		d = xattrs_to_disk(name, disk);
		ck_assert_ptr_nonnull(d);
		g = xattrs_to_guest(d, back);
		ck_assert_msg(g && !strcmp(g, name), "'%s' is '%s' on disk",
			      name, d);
	}
}
END_TEST

START_TEST(a_name_too_long)
{
	char name[XATTRS_NAME_MAX + 40], buf[XATTRS_NAME_MAX];

	memset(name, 'n', sizeof(name));
	memcpy(name, "trusted.overlay.", 16);
	name[255 - 8] = '\0';
	ck_assert_ptr_nonnull(xattrs_to_disk(name, buf));
	ck_assert_uint_eq(strlen(buf), 255);
	name[255 - 8] = 'n';
	name[255 - 7] = '\0';
	ck_assert_ptr_null(xattrs_to_disk(name, buf));
}
END_TEST

static struct ovl v;

static int file(const char *name)
{
	int fd = fdio_openat(v.dir, name, O_CREAT | O_RDWR, 0644);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(records)
{
	static const struct xattrs_record rows[] = {
		{ .ino = 1 },
		{ .ino = UINT64_MAX, .link_delta = INT32_MIN },
		{ .ino = 1ull << 56, .link_delta = 3, .metacopy = true },
		{ .ino = 7, .link_delta = -1, .indexed = true },
		{ .ino = 0, .metacopy = true, .indexed = true },
	};
	struct xattrs_record got;
	const char *why = ovl_set_up(&v, 0);
	int fd;

	if (why) {
		unit_skip(why);
		return;
	}
	fd = file("f");
	ck_assert_int_eq(xattrs_record_get(fd, &got), 0);
	ck_assert_int_eq(xattrs_record_getat(v.dir, "f", &got), 0);
	ck_assert_int_eq(xattrs_record_getat(v.dir, "none", &got), -ENOENT);
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		ck_assert_int_eq(xattrs_record_set(fd, &rows[n]), 0);
		memset(&got, 0xee, sizeof(got));
		ck_assert_int_eq(xattrs_record_get(fd, &got), 1);
		ck_assert_uint_eq(got.ino, rows[n].ino);
		ck_assert_int_eq(got.link_delta, rows[n].link_delta);
		ck_assert_int_eq(got.metacopy, rows[n].metacopy);
		ck_assert_int_eq(got.indexed, rows[n].indexed);
		ck_assert_int_eq(xattrs_record_getat(v.dir, "f", &got), 1);
		ck_assert_uint_eq(got.ino, rows[n].ino);
	}
	close(fd);
	fd = file("kernel");
	ck_assert_int_eq(xattrs_private_set(fd, XATTRS_METACOPY, "", 0), 0);
	ck_assert_int_eq(xattrs_record_getat(v.dir, "kernel", &got), 1);
	ck_assert(got.metacopy && !got.indexed);
	ck_assert_uint_eq(got.ino, 0);
	close(fd);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(damaged_records)
{
	unsigned char disk[64];
	struct xattrs_record rec = { .ino = 5 }, got = { .ino = 99 };
	const char *why = ovl_set_up(&v, 0);
	ssize_t size;
	int fd;

	if (why) {
		unit_skip(why);
		return;
	}
	fd = file("f");
	ck_assert_int_eq(xattrs_record_set(fd, &rec), 0);
	size = xattrs_private_get(fd, XATTRS_RECORD, disk, sizeof(disk));
	ck_assert_int_eq(size, 16);
	for (size_t n = 0; n <= 20; n++) {
		if (n == 16)
			continue;
		ck_assert_int_eq(xattrs_private_set(fd, XATTRS_RECORD, disk, n),
				 0);
		ck_assert_int_eq(xattrs_record_get(fd, &got), -EUCLEAN);
		ck_assert_int_eq(xattrs_record_getat(v.dir, "f", &got),
				 -EUCLEAN);
	}
	disk[0] = 2; /* a later version */
	ck_assert_int_eq(xattrs_private_set(fd, XATTRS_RECORD, disk, 16), 0);
	ck_assert_int_eq(xattrs_record_get(fd, &got), -EUCLEAN);
	ck_assert_uint_eq(got.ino, 99);
	close(fd);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(marks_of_both_families)
{
	struct layer_marks m;
	const char *why = ovl_set_up(&v, 0);
	char big[2000], name[64];

	if (why) {
		unit_skip(why);
		return;
	}
	ck_assert_int_eq(xattrs_marks_get(v.dir, &m), 0);
	ck_assert(!m.opaque && !m.impure && !m.redirect);
	ck_assert(!xattrs_is_marked(v.dir));
	ovl_mark(&v, "u", "trusted.overlay.opaque", "n");
	/* More names than a small list holds. */
	for (int n = 0; n < 20; n++) {
		snprintf(name, sizeof(name),
			 "user.a-rather-long-name-of-nothing-%d", n);
		ovl_mark(&v, ".", name, "1");
	}
	memset(big, 'r', sizeof(big) - 1);
	big[0] = '/';
	big[sizeof(big) - 1] = '\0';
	ovl_mark(&v, ".", "user.overlay.redirect", big);
	ovl_mark(&v, ".", "trusted.overlay.impure", "y");
	ovl_mark(&v, ".", "trusted.overlay.opaque", "y");
	ovl_mark(&v, ".", "user.overlay.vefs.format", "1");
	ck_assert_int_eq(xattrs_marks_get(v.dir, &m), 0);
	ck_assert(m.opaque && m.impure);
	ck_assert_str_eq(m.redirect, big);
	free(m.redirect);
	ck_assert(xattrs_is_marked(v.dir));
	ck_assert(!xattrs_has_whiteouts(v.dir));
	ovl_mark(&v, ".", "trusted.overlay.opaque", "x");
	ck_assert(xattrs_has_whiteouts(v.dir));
	ovl_tear_down(&v);
}
END_TEST

START_TEST(private_marks)
{
	const char *why = ovl_set_up(&v, 0);
	char buf[8] = "";
	int fd;

	if (why) {
		unit_skip(why);
		return;
	}
	fd = file("f");
	ck_assert_int_eq(xattrs_private_remove(fd, XATTRS_IMPURE), 0);
	ck_assert_int_eq(xattrs_private_set(fd, XATTRS_IMPURE, "y", 1), 0);
	ck_assert_int_eq(xattrs_private_get(fd, XATTRS_IMPURE, buf, 8), 1);
	ck_assert_int_eq(xattrio_get(fd, "trusted.overlay.impure", NULL, 0), 1);
	xattrs_use_user(true);
	ck_assert_int_eq(xattrs_private_get(fd, XATTRS_IMPURE, buf, 8),
			 -ENODATA);
	ck_assert_int_eq(xattrs_private_set(fd, XATTRS_IMPURE, "yy", 2), 0);
	ck_assert_int_eq(xattrio_get(fd, "user.overlay.impure", NULL, 0), 2);
	xattrs_use_user(false);
	ck_assert_int_eq(xattrs_private_remove(fd, XATTRS_IMPURE), 0);
	ck_assert_int_eq(xattrs_private_get(fd, XATTRS_IMPURE, buf, 8),
			 -ENODATA);
	close(fd);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(copying)
{
	static const char caps[20] = { 0, 0, 0, 2, 1 };
	static const struct {
		const char *name;
		bool copied;
	} rows[] = {
		{ "user.a", true },
		{ "trusted.b", true },
		{ "trusted.overlay.overlay.opaque", true },
		{ "trusted.overlay.opaque", false },
		{ "trusted.overlay.vefs", false },
		{ "user.overlay.redirect", false },
	};
	const char *why = ovl_set_up(&v, 0);
	char buf[64];
	int from, to;

	if (why) {
		unit_skip(why);
		return;
	}
	from = file("from");
	to = file("to");
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++)
		ovl_mark(&v, "from", rows[n].name, "value");
	ck_assert_int_eq(xattrio_set(from, "security.capability", caps, 20, 0),
			 0);
	ck_assert_int_eq(xattrs_copy(from, to), 0);
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		unit_row(rows[n].name);
		ck_assert_int_eq(xattrio_get(to, rows[n].name, buf, 64),
				 rows[n].copied ? 5 : -ENODATA);
	}
	ck_assert_int_eq(xattrio_get(to, "security.capability", buf, 64), 20);
	ck_assert_mem_eq(buf, caps, 20);
	close(from);
	close(to);
	ovl_tear_down(&v);
}
END_TEST

/* Nothing ever touches what a symlink points to. */
START_TEST(a_symlinks_attributes_are_its_own)
{
	const char *why = ovl_set_up(&v, 0);
	int from, to, target;

	if (why) {
		unit_skip(why);
		return;
	}
	target = file("target");
	ck_assert_int_eq(symlinkat("target", v.dir, "from"), 0);
	ck_assert_int_eq(symlinkat("target", v.dir, "to"), 0);
	ovl_mark(&v, "from", "trusted.mine", "x");
	from = fdio_openat(v.dir, "from", O_PATH, 0);
	to = fdio_openat(v.dir, "to", O_PATH, 0);
	ck_assert_int_eq(xattrs_copy(from, to), 0);
	ck_assert_int_eq(xattrio_get(to, "trusted.mine", NULL, 0), 1);
	ck_assert_int_eq(xattrio_get(target, "trusted.mine", NULL, 0),
			 -ENODATA);
	ck_assert_int_eq(xattrs_private_set(to, XATTRS_INDEX, "k", 1), 0);
	ck_assert_int_eq(xattrs_private_get(target, XATTRS_INDEX, NULL, 0),
			 -ENODATA);
	close(from);
	close(to);
	close(target);
	ovl_tear_down(&v);
}
END_TEST

Suite *test_xattrs_suite(void)
{
	Suite *s = suite_create("xattrs");
	TCase *c = tcase_create("xattrs");

	tcase_add_test(c, redirects_that_may_be_followed);
	tcase_add_test(c, the_guests_names);
	tcase_add_test(c, our_own_show_to_nobody);
	tcase_add_test(c, no_way_around);
	tcase_add_test(c, a_name_too_long);
	tcase_add_test(c, records);
	tcase_add_test(c, damaged_records);
	tcase_add_test(c, marks_of_both_families);
	tcase_add_test(c, private_marks);
	tcase_add_test(c, copying);
	tcase_add_test(c, a_symlinks_attributes_are_its_own);
	suite_add_tcase(s, c);
	return s;
}
