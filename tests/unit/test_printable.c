/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/base/printable.h"

static const struct {
	const char *in, *out;
} rows[] = {
	{ "", "" },
	{ "plain ~", "plain ~" },
	{ "a\nb\tc\x1b[2J\x7f", "a?b?c?[2J?" },
	/* C1, as UTF-8 and as bytes */
	{ "\xc2\x9b"
	  "2J",
	  "??2J" },
	{ "\xc2\x80\xc2\x9f\xc2\xa0", "????\xc2\xa0" },
	{ "\x80\x9b\x9f\xa0\xff", "???\xa0\xff" },
	/* characters have such bytes in them */
	{ "\xc3\x9b \xe2\x80\x94 \xf0\x9f\x90\xa7",
	  "\xc3\x9b \xe2\x80\x94 \xf0\x9f\x90\xa7" },
	/* too long, surrogates, beyond the end, cut off */
	{ "\xc1\x9b \xe0\x82\x9b \xf0\x80\x82\x9b", "\xc1? \xe0?? \xf0???" },
	{ "\xed\xa0\x80 \xf4\x90\x80\x80", "\xed\xa0? \xf4???" },
	{ "\xe2\x80", "\xe2?" },
	{ "\xc2\xc2\x9b", "\xc2??" },
	{ "\xe2\x80\x1b", "\xe2??" },
};

START_TEST(nothing_is_left_that_a_terminal_obeys)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *put = NULL, *masked = strdup(rows[i].in);
		size_t len = strlen(rows[i].in), size;
		FILE *f = open_memstream(&put, &size);

		unit_row(rows[i].out);
		printable_mask(masked, len, "");
		ck_assert_str_eq(masked, rows[i].out);
		printable_put(f, rows[i].in, len);
		fclose(f);
		ck_assert_str_eq(put, rows[i].out);
	}
}
END_TEST

START_TEST(zero_bytes_and_what_is_kept)
{
	char text[] = "a\n\r\tb\0c\x9b\x7f\x1b";

	printable_mask(text, sizeof(text) - 1, "\n\r\t");
	ck_assert_mem_eq(text, "a\n\r\tb?c???", sizeof(text) - 1);
}
END_TEST

/* A character that is cut by the end of what is there is none. */
START_TEST(nothing_behind_the_end_counts)
{
	char text[] = "\xe2\x80\x94";

	ck_assert_uint_eq(printable_utf8(text, 3), 3);
	ck_assert_uint_eq(printable_utf8(text, 2), 0);
	printable_mask(text, 2, "");
	ck_assert_str_eq(text, "\xe2?\x94");
}
END_TEST

START_TEST(lines_of_the_log_too)
{
	char text[256];
	int ends[2];
	ssize_t n;
	int saved = dup(STDERR_FILENO);

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
	log_error("%s is hit", "/a\n\x1b[2J\xc2\x9b");
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	n = read(ends[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, "vefs: /a??[2J?? is hit\n");
	close(saved);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

Suite *test_printable_suite(void)
{
	Suite *s = suite_create("printable");
	TCase *t = tcase_create("printable");

	tcase_add_test(t, nothing_is_left_that_a_terminal_obeys);
	tcase_add_test(t, zero_bytes_and_what_is_kept);
	tcase_add_test(t, nothing_behind_the_end_counts);
	tcase_add_test(t, lines_of_the_log_too);
	suite_add_tcase(s, t);
	return s;
}
