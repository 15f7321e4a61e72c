/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/smallfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tests/unit/unit.h"

static int add(int dir, const char *name, size_t max, struct strbuf *out)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return smallfile_add(fd, max, out);
}

START_TEST(a_line_is_replaced)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	char text[8];

	ck_assert_int_eq(smallfile_read(dir, "f", text, sizeof(text)), -ENOENT);
	ck_assert_int_eq(smallfile_write(dir, "f", "one\ntwo\n"), 0);
	ck_assert_int_eq(smallfile_read(dir, "f", text, sizeof(text)), 0);
	ck_assert_str_eq(text, "one");
	ck_assert_int_eq(smallfile_put(dir, "f", "longer than that"), 0);
	ck_assert_int_eq(smallfile_read(dir, "f", text, sizeof(text)), 0);
	ck_assert_str_eq(text, "longer ");
	ck_assert_int_eq(fdio_exists(dir, "f.new"), 0);
}
END_TEST

START_TEST(the_whole_is_added)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(smallfile_put(dir, "f", "one\ntwo\n"), 0);
	ck_assert_int_eq(smallfile_put(dir, "empty", ""), 0);
	strbuf_puts(&b, "-");
	ck_assert_int_eq(add(dir, "f", 8, &b), 0);
	ck_assert_int_eq(add(dir, "empty", 0, &b), 0);
	ck_assert_str_eq(strbuf_get(&b), "-one\ntwo\n");
	ck_assert_int_eq(add(dir, "f", 7, &b), -EFBIG);
	ck_assert_uint_eq(b.len, strlen("-one\ntwo\n"));
}
END_TEST

START_TEST(what_is_no_file_is_not_opened)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	size_t before = unit_count_fds();

	ck_assert_int_eq(mkfifoat(dir, "fifo", 0600), 0);
	ck_assert_int_eq(symlinkat("fifo", dir, "link"), 0);
	ck_assert_int_eq(add(dir, "fifo", 100, &b), -EUCLEAN);
	ck_assert_int_eq(add(dir, ".", 100, &b), -EUCLEAN);
	ck_assert_int_eq(add(dir, "link", 100, &b), -ELOOP);
	ck_assert_int_eq(smallfile_add(-1, 100, &b), -EBADF);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

Suite *test_smallfile_suite(void)
{
	Suite *s = suite_create("smallfile");
	TCase *t = tcase_create("smallfile");

	tcase_add_test(t, a_line_is_replaced);
	tcase_add_test(t, the_whole_is_added);
	tcase_add_test(t, what_is_no_file_is_not_opened);
	suite_add_tcase(s, t);
	return s;
}
