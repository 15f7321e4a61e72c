/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "fs/base/strbuf.h"

START_TEST(an_empty_one_reads_as_an_empty_string)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	ck_assert_str_eq(strbuf_get(&b), "");
	ck_assert_uint_eq(b.len, 0);
	strbuf_truncate(&b, 0);
	strbuf_truncate(&b, 10);
	strbuf_clear(&b);
	ck_assert_str_eq(strbuf_get(&b), "");
	ck_assert_int_eq(strbuf_error(&b), 0);
}
END_TEST

START_TEST(adding_appends)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(strbuf_puts(&b, "ab"), 0);
	ck_assert_int_eq(strbuf_putc(&b, 'c'), 0);
	ck_assert_int_eq(strbuf_add(&b, "defg", 2), 0);
	ck_assert_int_eq(strbuf_addf(&b, "-%d-%s", 42, "x"), 0);
	ck_assert_int_eq(strbuf_add(&b, NULL, 0), 0);
	ck_assert_int_eq(strbuf_puts(&b, ""), 0);
	ck_assert_str_eq(strbuf_get(&b), "abcde-42-x");
	ck_assert_uint_eq(b.len, 10);
}
END_TEST

START_TEST(it_holds_any_byte)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(strbuf_add(&b, "a\0b", 3), 0);
	ck_assert_int_eq(strbuf_putc(&b, '\0'), 0);
	ck_assert_int_eq(strbuf_addf(&b, "%c", 0), 0);
	ck_assert_uint_eq(b.len, 5);
	ck_assert_mem_eq(strbuf_get(&b), "a\0b\0\0", 6);
}
END_TEST

/* A text of every length around the sizes at which it grows. */
START_TEST(formatted_text_of_any_length)
{
	static char text[600];

	for (int len = 0; len < (int)sizeof(text) - 1; len++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		memset(text, 'x', (size_t)len);
		text[len] = '\0';
		ck_assert_int_eq(strbuf_puts(&b, "head "), 0);
		ck_assert_int_eq(strbuf_addf(&b, "%s|%d", text, len), 0);
		ck_assert_uint_eq(strlen(strbuf_get(&b)), b.len);
		ck_assert_int_eq(strncmp(strbuf_get(&b) + 5, text, (size_t)len),
				 0);
		ck_assert_int_eq(atoi(strbuf_get(&b) + 5 + len + 1), len);
	}
}
END_TEST

START_TEST(truncate_and_clear_shorten)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_puts(&b, "abcdef");
	strbuf_truncate(&b, 6);
	ck_assert_str_eq(strbuf_get(&b), "abcdef");
	strbuf_truncate(&b, 2);
	ck_assert_str_eq(strbuf_get(&b), "ab");
	strbuf_truncate(&b, 5);
	ck_assert_uint_eq(b.len, 2);
	strbuf_puts(&b, "XY");
	ck_assert_str_eq(strbuf_get(&b), "abXY");
	strbuf_clear(&b);
	ck_assert_str_eq(strbuf_get(&b), "");
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(reserved_room_is_there)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *before;

	ck_assert_int_eq(strbuf_reserve(&b, 1000), 0);
	before = strbuf_get(&b);
	ck_assert_str_eq(before, "");
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(strbuf_putc(&b, 'z'), 0);
	ck_assert_ptr_eq(strbuf_get(&b), before);
	ck_assert_uint_eq(b.len, 1000);
}
END_TEST

START_TEST(take_hands_over)
{
	struct strbuf b = STRBUF_INIT;
	char *s;

	strbuf_puts(&b, "mine");
	s = strbuf_take(&b);
	ck_assert_str_eq(s, "mine");
	free(s);
	ck_assert_str_eq(strbuf_get(&b), "");
	ck_assert_uint_eq(b.len, 0);

	s = strbuf_take(&b);
	ck_assert_str_eq(s, "");
	free(s);

	strbuf_puts(&b, "again");
	ck_assert_str_eq(strbuf_get(&b), "again");
	strbuf_free(&b);
	strbuf_free(&b);
}
END_TEST

START_TEST(too_much_fails_and_stays_failed)
{
	static const size_t sizes[] = { STRBUF_MAX, STRBUF_MAX + 1,
					SIZE_MAX / 2, SIZE_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct strbuf b = STRBUF_INIT;

		strbuf_puts(&b, "kept");
		ck_assert_int_eq(strbuf_reserve(&b, sizes[i]), -ENOMEM);
		ck_assert_str_eq(strbuf_get(&b), "kept");
		ck_assert_int_eq(strbuf_puts(&b, "x"), -ENOMEM);
		ck_assert_int_eq(strbuf_addf(&b, "%d", 1), -ENOMEM);
		ck_assert_int_eq(strbuf_putc(&b, 'x'), -ENOMEM);
		ck_assert_int_eq(strbuf_error(&b), -ENOMEM);
		ck_assert_str_eq(strbuf_get(&b), "kept");
		ck_assert_ptr_null(strbuf_take(&b));
		ck_assert_int_eq(strbuf_error(&b), 0);
	}
}
END_TEST

START_TEST(add_refuses_what_cannot_fit)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(strbuf_add(&b, "x", SIZE_MAX), -ENOMEM);
	ck_assert_uint_eq(b.len, 0);
	strbuf_clear(&b);
	ck_assert_int_eq(strbuf_error(&b), 0);
	ck_assert_int_eq(strbuf_puts(&b, "ok"), 0);
	ck_assert_str_eq(strbuf_get(&b), "ok");
}
END_TEST

START_TEST(what_cannot_be_printed_fails)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	/* In the C locale no byte stands for this character. */
	const wchar_t text[] = { 0x4e2d, 0 };

	strbuf_puts(&b, "kept");
	ck_assert_int_eq(strbuf_addf(&b, "abc%ls", text), -EINVAL);
	ck_assert_str_eq(strbuf_get(&b), "kept");
	ck_assert_int_eq(strbuf_error(&b), -EINVAL);
}
END_TEST

START_TEST(freeing_keeps_errno)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_puts(&b, "x");
	errno = EDQUOT;
	strbuf_free(&b);
	ck_assert_int_eq(errno, EDQUOT);
}
END_TEST

/* Random changes, against a plain array that knows the same. */
START_TEST(random_changes)
{
	static char model[1 << 16], piece[300];
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct unit_rand r;
	size_t len = 0;

	unit_rand_start(&r);
	for (int i = 0; i < 20000; i++) {
		size_t n = unit_rand(&r, sizeof(piece) - 1);

		memset(piece, 'a' + i % 26, n);
		piece[n] = '\0';
		if (len + n >= sizeof(model) || !unit_rand(&r, 200)) {
			len = unit_rand(&r, (uint32_t)len + 1);
			strbuf_truncate(&b, len);
			continue;
		}
		switch (unit_rand(&r, 3)) {
		case 0:
			strbuf_add(&b, piece, n);
			break;
		case 1:
			strbuf_puts(&b, piece);
			break;
		default:
			strbuf_addf(&b, "%s", piece);
		}
		memcpy(model + len, piece, n);
		len += n;
		ck_assert_uint_eq(b.len, len);
		ck_assert_int_eq(strbuf_get(&b)[len], '\0');
	}
	ck_assert_int_eq(strbuf_error(&b), 0);
	ck_assert_mem_eq(strbuf_get(&b), model, len);
}
END_TEST

Suite *test_strbuf_suite(void)
{
	Suite *s = suite_create("strbuf");
	TCase *t = tcase_create("strbuf");

	tcase_add_test(t, an_empty_one_reads_as_an_empty_string);
	tcase_add_test(t, adding_appends);
	tcase_add_test(t, it_holds_any_byte);
	tcase_add_test(t, formatted_text_of_any_length);
	tcase_add_test(t, truncate_and_clear_shorten);
	tcase_add_test(t, reserved_room_is_there);
	tcase_add_test(t, take_hands_over);
	tcase_add_test(t, too_much_fails_and_stays_failed);
	tcase_add_test(t, add_refuses_what_cannot_fit);
	tcase_add_test(t, what_cannot_be_printed_fails);
	tcase_add_test(t, freeing_keeps_errno);
	tcase_add_test(t, random_changes);
	suite_add_tcase(s, t);
	return s;
}
