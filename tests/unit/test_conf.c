/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tools/conf.h"

#define FILE_NAME "some.conf"

static void put(int dir, const char *text, size_t len)
{
	_cleanup_close_ int fd =
		openat(dir, FILE_NAME, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
}

static struct conf *conf_of(int dir, const char *text)
{
	struct conf *c = NULL;

	put(dir, text, strlen(text));
	ck_assert_int_eq(conf_read(dir, FILE_NAME, &c), 0);
	return c;
}

static void assert_written(int dir, const char *want)
{
	_cleanup_close_ int fd = openat(dir, FILE_NAME, O_RDONLY);
	char text[1024];
	ssize_t n = fdio_pread_full(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, want);
}

static const struct {
	const char *text;
	const char *value; /* NULL: there is none */
} values[] = {
	{ "K=\"v\"\n", "v" },
	{ "K=\"v\"", "v" },
	{ "K='v \\ w'\n", "v \\ w" },
	{ "K=v\n", "v" },
	{ "K=v # why\n", "v" },
	{ "K=v\r\n", "v" },
	{ "  K=\"v\" # why\n", "v" },
	{ "K=\"a \\\" b \\\\ c\"\n", "a \" b \\ c" },
	{ "K=\"not closed\n", "not closed" },
	{ "K=\"\"\n", "" },
	{ "K=\n", "" },
	{ "K=\"1\"\nK=\"2\"\n", "2" },
	{ "K=\"1\"\n#K=\"2\"\n", "1" },
	{ "", NULL },
	{ "KK=\"v\"\n", NULL },
	{ "XK=\"v\"\n", NULL },
	{ "K\n", NULL },
	{ "#K=\"v\"\n", NULL },
	{ "K =\"v\"\n", NULL },
};

START_TEST(values_are_found)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct conf *c;
		char value[64] = "as it was";
		int r;

		unit_row(values[i].text);
		c = conf_of(dir, values[i].text);
		r = conf_get(c, "K", value, sizeof(value));
		ck_assert_int_eq(r, values[i].value ? 0 : -ENOENT);
		ck_assert_str_eq(value, values[i].value ? values[i].value
							: "as it was");
		conf_free(c);
	}
}
END_TEST

START_TEST(a_long_value_is_refused)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct conf *c = conf_of(dir, "K=\"1234\"\n");
	char value[4] = "old";

	ck_assert_int_eq(conf_get(c, "K", value, sizeof(value)), -ENAMETOOLONG);
	ck_assert_str_eq(value, "old");
	conf_free(c);
}
END_TEST

START_TEST(other_lines_stay)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct conf *c = conf_of(dir, "# mine\n"
				      "A='x'  # of others\n"
				      "\n"
				      "what is this?\n"
				      "K=old # gone\n"
				      "B=$(no)");
	struct stat st;

	ck_assert_int_eq(conf_set(c, "K", "new"), 0);
	ck_assert_int_eq(conf_set(c, "N", "a \"b\" \\"), 0);
	ck_assert_int_eq(conf_write(c, dir, FILE_NAME), 0);
	assert_written(dir, "# mine\n"
			    "A='x'  # of others\n"
			    "\n"
			    "what is this?\n"
			    "K=\"new\"\n"
			    "B=$(no)\n"
			    "N=\"a \\\"b\\\" \\\\\"\n");
	ck_assert_int_eq(fstatat(dir, FILE_NAME, &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(conf_set(c, "A", NULL), 0);
	ck_assert_int_eq(conf_set(c, "nobody", NULL), 0);
	ck_assert_int_eq(conf_write(c, dir, FILE_NAME), 0);
	assert_written(dir, "# mine\n"
			    "\n"
			    "what is this?\n"
			    "K=\"new\"\n"
			    "B=$(no)\n"
			    "N=\"a \\\"b\\\" \\\\\"\n");
	conf_free(c);
}
END_TEST

START_TEST(the_line_that_counts_is_changed)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct conf *c = conf_of(dir, "K=\"1\"\nX=\"0\"\nK=\"2\"\n");
	char value[8];

	ck_assert_int_eq(conf_set(c, "K", "3"), 0);
	ck_assert_int_eq(conf_get(c, "K", value, sizeof(value)), 0);
	ck_assert_str_eq(value, "3");
	ck_assert_int_eq(conf_write(c, dir, FILE_NAME), 0);
	assert_written(dir, "K=\"1\"\nX=\"0\"\nK=\"3\"\n");
	ck_assert_int_eq(conf_set(c, "K", "a\nb"), -EINVAL);
	ck_assert_int_eq(conf_get(c, "K", value, sizeof(value)), 0);
	ck_assert_str_eq(value, "3");
	conf_free(c);
}
END_TEST

START_TEST(what_is_no_such_file_is_refused)
{
	static char big[CONF_MAX + 1];
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct conf *c = NULL;

	ck_assert_int_eq(conf_read(dir, FILE_NAME, &c), -ENOENT);
	put(dir, "K=\"v\"\n\0X", 8);
	ck_assert_int_eq(conf_read(dir, FILE_NAME, &c), -EUCLEAN);
	memset(big, '\n', sizeof(big));
	put(dir, big, sizeof(big));
	ck_assert_int_eq(conf_read(dir, FILE_NAME, &c), -EUCLEAN);
	ck_assert_int_eq(unlinkat(dir, FILE_NAME, 0), 0);
	ck_assert_int_eq(mkfifoat(dir, FILE_NAME, 0600), 0);
	ck_assert_int_eq(conf_read(dir, FILE_NAME, &c), -EUCLEAN);
	ck_assert_ptr_null(c);
}
END_TEST

START_TEST(creating_never_replaces)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct conf *c = conf_new(), *d = conf_new();

	ck_assert_int_eq(conf_set(c, "A", "1"), 0);
	ck_assert_int_eq(conf_set(d, "B", "2"), 0);
	ck_assert(!conf_same(c, d));
	ck_assert_int_eq(conf_merge(c, d), 0);
	ck_assert_int_eq(conf_create(c, dir, FILE_NAME, true), 0);
	assert_written(dir, "A=\"1\"\nB=\"2\"\n");
	ck_assert_int_eq(conf_create(d, dir, FILE_NAME, false), -EEXIST);
	assert_written(dir, "A=\"1\"\nB=\"2\"\n");
	conf_free(d);
	ck_assert_int_eq(conf_read(dir, FILE_NAME, &d), 0);
	ck_assert(conf_same(c, d));
	conf_free(c);
	conf_free(d);
}
END_TEST

/* Scripts of the host read vefs.conf as a shell does: nothing of it is run. */
START_TEST(a_shell_reads_what_was_set)
{
	static const char value[] =
		"a $HOME ${HOME} $(touch run) `touch run` \\$x \\` '!' \"b\" \\";
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct conf *c = conf_of(dir, "K=\"of before: $(id) `id`\"\n");
	char text[256] = "", command[128];
	FILE *sh;

	ck_assert_int_eq(conf_get(c, "K", text, sizeof(text)), 0);
	ck_assert_str_eq(text, "of before: $(id) `id`");
	ck_assert_int_eq(conf_set(c, "K", value), 0);
	ck_assert_int_eq(conf_write(c, dir, FILE_NAME), 0);
	conf_free(c);
	ck_assert_int_eq(conf_read(dir, FILE_NAME, &c), 0);
	ck_assert_int_eq(conf_get(c, "K", text, sizeof(text)), 0);
	ck_assert_str_eq(text, value);
	snprintf(command, sizeof(command),
		 "cd /proc/%d/fd/%d && . ./" FILE_NAME " && printf %%s \"$K\"",
		 getpid(), dir);
	sh = popen(command, "re");
	ck_assert_ptr_nonnull(sh);
	text[fread(text, 1, sizeof(text) - 1, sh)] = '\0';
	ck_assert_int_eq(pclose(sh), 0);
	ck_assert_str_eq(text, value);
	ck_assert_int_eq(faccessat(dir, "run", F_OK, 0), -1);
	conf_free(c);
}
END_TEST

Suite *test_conf_suite(void)
{
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("conf");

	tcase_add_test(t, values_are_found);
	tcase_add_test(t, a_long_value_is_refused);
	tcase_add_test(t, other_lines_stay);
	tcase_add_test(t, the_line_that_counts_is_changed);
	tcase_add_test(t, what_is_no_such_file_is_refused);
	tcase_add_test(t, creating_never_replaces);
	tcase_add_test(t, a_shell_reads_what_was_set);
	suite_add_tcase(s, t);
	return s;
}
