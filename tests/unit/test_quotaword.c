/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/quotaword.h"

#define KIB 1024ull
#define GIB (1ull << 30)

static const struct {
	const char *text;
	enum limit_resource what;
	enum quotaword_from from;
	int result;
	uint64_t soft, hard;
} limits[] = {
	{ "1", LIMIT_SPACE, QUOTAWORD_OURS, 0, KIB, KIB },
	{ "1:2", LIMIT_SPACE, QUOTAWORD_OURS, 0, KIB, 2 * KIB },
	{ "1K:1M", LIMIT_SPACE, QUOTAWORD_OURS, 0, KIB, KIB *KIB },
	{ "10G", LIMIT_SPACE, QUOTAWORD_OURS, 0, 10 * GIB, 10 * GIB },
	{ "1gb:1GiB", LIMIT_SPACE, QUOTAWORD_OURS, 0, GIB, GIB },
	{ "2T", LIMIT_SPACE, QUOTAWORD_OPTION, 0, 2048 * GIB, 2048 * GIB },
	{ "1P", LIMIT_SPACE, QUOTAWORD_OURS, 0, 1ull << 50, 1ull << 50 },
	{ "1PiB", LIMIT_SPACE, QUOTAWORD_CONF, 0, 1ull << 50, 1ull << 50 },
	{ "1B:1025b", LIMIT_SPACE, QUOTAWORD_OURS, 0, KIB, 2 * KIB },
	{ "0", LIMIT_SPACE, QUOTAWORD_OURS, 0, 0, 0 },
	{ "0:0", LIMIT_SPACE, QUOTAWORD_OPTION, 0, 0, 0 },
	{ "0:5", LIMIT_INODES, QUOTAWORD_OURS, 0, 0, 5 },
	{ "unlimited", LIMIT_SPACE, QUOTAWORD_CONF, 0, 0, 0 },
	{ "5:UNLIMITED", LIMIT_INODES, QUOTAWORD_OURS, 0, 5, 0 },
	{ "unlimited:5", LIMIT_INODES, QUOTAWORD_CONF, 0, 0, 5 },
	{ "9223372036854775807:9223372036854775807", LIMIT_SPACE,
	  QUOTAWORD_CONF, 0, 0, 0 },
	{ "9223372036854775807", LIMIT_INODES, QUOTAWORD_OPTION, 0, 0, 0 },
	{ "2305843009213693951", LIMIT_INODES, QUOTAWORD_OURS, 0,
	  2305843009213693951u, 2305843009213693951u },

	{ "2:1", LIMIT_SPACE, QUOTAWORD_OURS, -ERANGE, 0, 0 },
	{ "9223372036854775807", LIMIT_SPACE, QUOTAWORD_OURS, -ERANGE, 0, 0 },
	{ "2305843009213693952", LIMIT_INODES, QUOTAWORD_OURS, -ERANGE, 0, 0 },
	{ "2305843009213693951B", LIMIT_SPACE, QUOTAWORD_OURS, -ERANGE, 0, 0 },
	{ "2048P", LIMIT_SPACE, QUOTAWORD_OURS, -ERANGE, 0, 0 },
	{ "18446744073709551616", LIMIT_SPACE, QUOTAWORD_OURS, -ERANGE, 0, 0 },
	{ "99999999999999999999999999", LIMIT_INODES, QUOTAWORD_OURS, -ERANGE,
	  0, 0 },
	{ "1P", LIMIT_SPACE, QUOTAWORD_OPTION, -EINVAL, 0, 0 },
	{ "1p:1P", LIMIT_SPACE, QUOTAWORD_CONF, -EINVAL, 0, 0 },
	{ "0:0", LIMIT_SPACE, QUOTAWORD_CONF, -EINVAL, 0, 0 },
	{ "0:5", LIMIT_INODES, QUOTAWORD_CONF, -EINVAL, 0, 0 },
	{ "", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ ":", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1:", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ ":1", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1:2:3", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "-1", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1:-1", LIMIT_INODES, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ " 1", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1 G", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1X", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1Kx", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1BB", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1.5G", LIMIT_SPACE, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "1K", LIMIT_INODES, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "unlimitedly", LIMIT_INODES, QUOTAWORD_OURS, -EINVAL, 0, 0 },
	{ "0000000000000000000000000000000000000000000000000000000000000000001",
	  LIMIT_INODES, QUOTAWORD_OURS, -EINVAL, 0, 0 },
};

START_TEST(limits_are_read)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct quotaword w = { 7, 8 };
		struct why why = { "" };
		int r;

		unit_row(limits[i].text);
		r = quotaword_limits(limits[i].what, limits[i].from,
				     limits[i].text, &w, &why);
		ck_assert_int_eq(r, limits[i].result);
		ck_assert_uint_eq(w.soft, r ? 7 : limits[i].soft);
		ck_assert_uint_eq(w.hard, r ? 8 : limits[i].hard);
		ck_assert_int_eq(r != 0, why.text[0] != '\0');
		if (r)
			ck_assert_ptr_nonnull(strstr(why.text, limits[i].text));
	}
}
END_TEST

static const struct {
	const char *text;
	int result;
	uint64_t seconds;
} times[] = {
	{ "0", 0, 0 },
	{ "30", 0, 30 },
	{ "259200", 0, 259200 },
	{ "12:00", 0, 720 },
	{ "1:00:00", 0, 3600 },
	{ "20:15:11:00", 0, 20 * 86400 + 15 * 3600 + 11 * 60 },
	{ "00:90", 0, 90 },
	{ "45s", 0, 45 },
	{ "2min", 0, 120 },
	{ "2minutes", 0, 120 },
	{ "5h", 0, 5 * 3600 },
	{ "5Hours", 0, 5 * 3600 },
	{ "1hour", 0, 3600 },
	{ "7D", 0, 7 * 86400 },
	{ "7d", 0, 7 * 86400 },
	{ "7days", 0, 7 * 86400 },
	{ "01w", 0, 7 * 86400 },
	{ "3m", 0, 90 * 86400 },
	{ "1month", 0, 30 * 86400 },
	{ "1y", 0, 365 * 86400 },
	{ "100y", 0, QUOTAWORD_TIME_MAX },

	{ "101y", -ERANGE, 0 },
	{ "3153600001", -ERANGE, 0 },
	{ "99999999999999999999999", -ERANGE, 0 },
	{ "99999:00:00:00", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "d", -EINVAL, 0 },
	{ "7x", -EINVAL, 0 },
	{ "7ds", -EINVAL, 0 },
	{ "7 d", -EINVAL, 0 },
	{ "1d2h", -EINVAL, 0 },
	{ ":", -EINVAL, 0 },
	{ "1:", -EINVAL, 0 },
	{ ":1", -EINVAL, 0 },
	{ "1:2:3:4:5", -EINVAL, 0 },
	{ "1:2d", -EINVAL, 0 },
	{ "unlimited", -EINVAL, 0 },
};

START_TEST(times_are_read)
{
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		struct why why = { "" };
		uint64_t s = 7;
		int r;

		unit_row(times[i].text);
		r = quotaword_time(times[i].text, &s, &why);
		ck_assert_int_eq(r, times[i].result);
		ck_assert_uint_eq(s, r ? 7 : times[i].seconds);
		ck_assert_int_eq(r != 0, why.text[0] != '\0');
	}
}
END_TEST

START_TEST(times_are_printed)
{
	char text[QUOTAWORD_SIZE];

	ck_assert_str_eq(quotaword_print_time(0, text), "00:00");
	ck_assert_str_eq(quotaword_print_time(59, text), "00:01");
	ck_assert_str_eq(quotaword_print_time(86400 - 60, text), "23:59");
	ck_assert_str_eq(quotaword_print_time(86400, text), "24:00");
	ck_assert_str_eq(quotaword_print_time(36 * 3600 - 60, text), "35:59");
	ck_assert_str_eq(quotaword_print_time(36 * 3600, text), "2days");
	ck_assert_str_eq(quotaword_print_time(7 * 86400 - 5, text), "7days");
	ck_assert_str_eq(quotaword_print_exact(0, text), "0s");
	ck_assert_str_eq(quotaword_print_exact(90, text), "90s");
	ck_assert_str_eq(quotaword_print_exact(120, text), "2min");
	ck_assert_str_eq(quotaword_print_exact(36 * 3600, text), "36h");
	ck_assert_str_eq(quotaword_print_exact(86400, text), "1day");
	ck_assert_str_eq(quotaword_print_exact(QUOTAWORD_TIME_MAX, text),
			 "36500days");
}
END_TEST

START_TEST(what_is_left_of_a_grace)
{
	struct limit l = { .usage = 11, .soft = 10, .hard = 20 };
	char text[QUOTAWORD_SIZE];

	ck_assert_str_eq(quotaword_print_grace(&l, 1000, text), "");
	l.deadline = 1000 + 3600;
	ck_assert_str_eq(quotaword_print_grace(&l, 1000, text), "01:00");
	ck_assert(quotaword_is_over(&l));
	l.deadline = 1000;
	ck_assert_str_eq(quotaword_print_grace(&l, 1000, text), "none");
	l.usage = 10;
	ck_assert_str_eq(quotaword_print_grace(&l, 1000, text), "");
	ck_assert(!quotaword_is_over(&l));
	l.soft = 0;
	l.usage = 20;
	ck_assert(!quotaword_is_over(&l));
	l.usage = 21;
	ck_assert(quotaword_is_over(&l));
	l.hard = 0;
	ck_assert(!quotaword_is_over(&l));
}
END_TEST

START_TEST(limits_are_printed_as_they_are_read)
{
	static const char *const as[] = { "1024:2048", "unlimited:unlimited",
					  "unlimited:7", "7:unlimited" };
	char text[2 * QUOTAWORD_SIZE];
	struct quotaword w;

	for (size_t i = 0; i < ARRAY_SIZE(as); i++) {
		for (int k = 0; k < LIMIT_RESOURCES; k++) {
			enum limit_resource what = (enum limit_resource)k;

			unit_row(as[i]);
			ck_assert_int_eq(quotaword_limits(what, QUOTAWORD_CONF,
							  as[i], &w, NULL),
					 0);
			ck_assert_str_eq(quotaword_print_limits(what, &w, text),
					 as[i]);
		}
	}
	ck_assert_uint_eq(quotaword_units(LIMIT_SPACE, 1025), 2);
	ck_assert_uint_eq(quotaword_units(LIMIT_INODES, 1025), 1025);
}
END_TEST

Suite *test_quotaword_suite(void)
{
	Suite *s = suite_create("quotaword");
	TCase *t = tcase_create("quotaword");

	tcase_add_test(t, limits_are_read);
	tcase_add_test(t, times_are_read);
	tcase_add_test(t, times_are_printed);
	tcase_add_test(t, what_is_left_of_a_grace);
	tcase_add_test(t, limits_are_printed_as_they_are_read);
	suite_add_tcase(s, t);
	return s;
}
