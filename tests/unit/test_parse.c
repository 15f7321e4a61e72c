/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"

/* What *out holds before: it must still do so after an error. */
#define BEFORE 0xdeadbeefu

struct row {
	const char *text;
	int rc;
	uint64_t value;
};

static void check_row(const struct row *r, int rc, uint64_t out)
{
	uint64_t want = r->rc ? BEFORE : r->value;

	ck_assert_msg(rc == r->rc && out == want,
		      "\"%s\" gives %d and %llu, not %d and %llu", r->text, rc,
		      (unsigned long long)out, r->rc, (unsigned long long)want);
}

#define US 1000ull
#define MS 1000000ull
#define SEC 1000000000ull

static const struct row numbers[] = {
	{ "0", 0, 0 },
	{ "00", 0, 0 },
	{ "7", 0, 7 },
	{ "010", 0, 10 },
	{ "4294967295", 0, 4294967295u },
	{ "4294967296", 0, 4294967296u },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "000000000000000000000000000018446744073709551615", 0, UINT64_MAX },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "18446744073709551620", -ERANGE, 0 },
	{ "99999999999999999999", -ERANGE, 0 },
	{ "184467440737095516150", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 ", -EINVAL, 0 },
	{ "1\n", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "1.0", -EINVAL, 0 },
	{ "1e3", -EINVAL, 0 },
	{ "abc", -EINVAL, 0 },
	{ "1,5", -EINVAL, 0 },
	{ "99999999999999999999x", -EINVAL, 0 },
	{ "\xd9\xa1", -EINVAL, 0 },
};

START_TEST(numbers_of_any_form)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct row *r = &numbers[i];
		uint64_t out = BEFORE;
		int rc = parse_u64(r->text, UINT64_MAX, &out);

		check_row(r, rc, out);
	}
}
END_TEST

START_TEST(a_number_has_its_maximum)
{
	uint64_t out = BEFORE;
	uint32_t small = BEFORE;

	ck_assert_int_eq(parse_u64("10", 10, &out), 0);
	ck_assert_uint_eq(out, 10);
	ck_assert_int_eq(parse_u64("11", 10, &out), -ERANGE);
	ck_assert_int_eq(parse_u64("100", 10, &out), -ERANGE);
	ck_assert_uint_eq(out, 10);
	ck_assert_int_eq(parse_u64("0", 0, &out), 0);
	ck_assert_int_eq(parse_u64("1", 0, &out), -ERANGE);
	ck_assert_int_eq(parse_u64("11x", 10, &out), -EINVAL);

	ck_assert_int_eq(parse_u32("4294967295", UINT32_MAX, &small), 0);
	ck_assert_uint_eq(small, UINT32_MAX);
	ck_assert_int_eq(parse_u32("4294967296", UINT32_MAX, &small), -ERANGE);
	ck_assert_int_eq(parse_u32("6", 5, &small), -ERANGE);
	ck_assert_int_eq(parse_u32("", 5, &small), -EINVAL);
	ck_assert_uint_eq(small, UINT32_MAX);
}
END_TEST

START_TEST(a_number_at_a_cursor)
{
	const char *text = "12:34", *s = text;
	uint64_t out = BEFORE;

	ck_assert_int_eq(parse_u64_at(&s, 100, &out), 0);
	ck_assert_uint_eq(out, 12);
	ck_assert_ptr_eq(s, text + 2);
	ck_assert_int_eq(parse_u64_at(&s, 100, &out), -EINVAL);
	ck_assert_ptr_eq(s, text + 2);
	s++;
	ck_assert_int_eq(parse_u64_at(&s, 33, &out), -ERANGE);
	ck_assert_ptr_eq(s, text + 3);
	ck_assert_uint_eq(out, 12);
	ck_assert_int_eq(parse_u64_at(&s, 34, &out), 0);
	ck_assert_int_eq(*s, '\0');
	ck_assert_int_eq(parse_u64_at(&s, 34, &out), -EINVAL);
}
END_TEST

START_TEST(an_id)
{
	uint32_t id = BEFORE;

	ck_assert_int_eq(parse_id("4294967294", &id), 0);
	ck_assert_uint_eq(id, 4294967294u);
	ck_assert_int_eq(parse_id("4294967295", &id), -ERANGE);
	ck_assert_int_eq(parse_id("4294967296", &id), -ERANGE);
	ck_assert_int_eq(parse_id("-1", &id), -EINVAL);
	ck_assert_int_eq(parse_id("root", &id), -EINVAL);
	ck_assert_uint_eq(id, 4294967294u);
	ck_assert_int_eq(parse_id("0", &id), 0);
	ck_assert_uint_eq(id, 0);
}
END_TEST

static const struct row sizes[] = {
	{ "0", 0, 0 },
	{ "512", 0, 512 },
	{ "512b", 0, 512 },
	{ "512B", 0, 512 },
	{ "1k", 0, 1024 },
	{ "1K", 0, 1024 },
	{ "1kB", 0, 1024 },
	{ "1KiB", 0, 1024 },
	{ "1KIB", 0, 1024 },
	{ "3M", 0, 3 << 20 },
	{ "3MiB", 0, 3 << 20 },
	{ "2G", 0, 2ull << 30 },
	{ "2gb", 0, 2ull << 30 },
	{ "5T", 0, 5ull << 40 },
	{ "16777215T", 0, 16777215ull << 40 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "16777216T", -ERANGE, 0 },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "18446744073709551615k", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "k", -EINVAL, 0 },
	{ "-1k", -EINVAL, 0 },
	{ "1 k", -EINVAL, 0 },
	{ "1k ", -EINVAL, 0 },
	{ "1.5G", -EINVAL, 0 },
	{ "1P", -EINVAL, 0 },
	{ "1E", -EINVAL, 0 },
	{ "1kk", -EINVAL, 0 },
	{ "1ki", -EINVAL, 0 },
	{ "1i", -EINVAL, 0 },
	{ "1ib", -EINVAL, 0 },
	{ "1bb", -EINVAL, 0 },
	{ "1bib", -EINVAL, 0 },
	{ "1kibb", -EINVAL, 0 },
	{ "1k1", -EINVAL, 0 },
	{ "unlimited", -EINVAL, 0 },
	{ "99999999999999999999x", -EINVAL, 0 },
};

START_TEST(sizes_of_any_form)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct row *r = &sizes[i];
		uint64_t out = BEFORE;
		int rc = parse_size(r->text, &out);

		check_row(r, rc, out);
	}
}
END_TEST

/* With seconds as the unit of a bare number. */
static const struct row durations[] = {
	{ "0", 0, 0 },
	{ "5", 0, 5 * SEC },
	{ "1.5", 0, 1500 * MS },
	{ "0.000000001", 0, 1 },
	{ "0.0000000019", 0, 1 },
	{ "0.00000000000000000000001", 0, 0 },
	{ "1000000000.0", 0, 1000000000 * SEC },
	{ "10ns", 0, 10 },
	{ "10us", 0, 10 * US },
	{ "10ms", 0, 10 * MS },
	{ "10MS", 0, 10 * MS },
	{ "10s", 0, 10 * SEC },
	{ "2m", 0, 120 * SEC },
	{ "2min", 0, 120 * SEC },
	{ "2h", 0, 7200 * SEC },
	{ "2d", 0, 172800 * SEC },
	{ "1.25ms", 0, 1250 * US },
	{ "0.5d", 0, 43200 * SEC },
	{ "1h30m", 0, 5400 * SEC },
	{ "1d1h1m1s1ms1us1ns", 0, 90061 * SEC + MS + US + 1 },
	{ "1.5s500ms", 0, 2 * SEC },
	{ "18446744073s", 0, 18446744073 * SEC },
	{ "18446744074s", -ERANGE, 0 },
	{ "18446744073709551615ns", 0, UINT64_MAX },
	{ "18446744073709551615ns1ns", -ERANGE, 0 },
	{ "18446744073709551615.9ns", 0, UINT64_MAX },
	{ "18446744073.709551616s", -ERANGE, 0 },
	{ "99999999999999999999", -ERANGE, 0 },
	{ "213504d", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "s", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1s", -EINVAL, 0 },
	{ "1.", -EINVAL, 0 },
	{ ".5", -EINVAL, 0 },
	{ "1.s", -EINVAL, 0 },
	{ "1..5", -EINVAL, 0 },
	{ "1.5.5s", -EINVAL, 0 },
	{ "1 s", -EINVAL, 0 },
	{ "1s ", -EINVAL, 0 },
	{ " 1s", -EINVAL, 0 },
	{ "1s 1s", -EINVAL, 0 },
	{ "1s5", -EINVAL, 0 },
	{ "1w", -EINVAL, 0 },
	{ "1sec", -EINVAL, 0 },
	{ "1e9", -EINVAL, 0 },
	{ "inf", -EINVAL, 0 },
	{ "nan", -EINVAL, 0 },
	{ "99999999999999999999x", -EINVAL, 0 },
	{ "99999999999999999999s1", -EINVAL, 0 },
};

START_TEST(durations_of_any_form)
{
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		const struct row *r = &durations[i];
		uint64_t out = BEFORE;
		int rc = parse_duration(r->text, SEC, &out);

		check_row(r, rc, out);
	}
}
END_TEST

START_TEST(a_duration_in_another_unit)
{
	uint64_t out = BEFORE;

	ck_assert_int_eq(parse_duration("100", US, &out), 0);
	ck_assert_uint_eq(out, 100 * US);
	ck_assert_int_eq(parse_duration("2s", US, &out), 0);
	ck_assert_uint_eq(out, 2 * SEC);
	ck_assert_int_eq(parse_duration("2", 0, &out), -EINVAL);
	ck_assert_uint_eq(out, 2 * SEC);
}
END_TEST

static const struct row booleans[] = {
	{ "1", 0, 1 },	       { "on", 0, 1 },	     { "yes", 0, 1 },
	{ "true", 0, 1 },      { "ON", 0, 1 },	     { "True", 0, 1 },
	{ "0", 0, 0 },	       { "off", 0, 0 },	     { "no", 0, 0 },
	{ "false", 0, 0 },     { "Off", 0, 0 },	     { "", -EINVAL, 0 },
	{ "2", -EINVAL, 0 },   { "01", -EINVAL, 0 }, { "on ", -EINVAL, 0 },
	{ "onn", -EINVAL, 0 }, { "o", -EINVAL, 0 },  { "y", -EINVAL, 0 },
};

START_TEST(booleans_of_any_form)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(booleans); i++) {
		const struct row *r = &booleans[i / 2];
		bool before = i % 2, out = before;
		int rc = parse_bool(r->text, &out);

		ck_assert_msg(rc == r->rc, "\"%s\" gives %d", r->text, rc);
		ck_assert_msg(out == (rc ? before : (bool)r->value),
			      "\"%s\" gives %d", r->text, out);
	}
}
END_TEST

START_TEST(what_is_printed_is_read_back)
{
	struct unit_rand r;

	unit_rand_start(&r);
	for (int i = 0; i < 20000; i++) {
		uint64_t n = ((uint64_t)unit_rand(&r, UINT32_MAX) << 32 |
			      unit_rand(&r, UINT32_MAX)) >>
			     unit_rand(&r, 64);
		uint64_t out = BEFORE;
		char text[64];

		snprintf(text, sizeof(text), "%" PRIu64, n);
		ck_assert_int_eq(parse_u64(text, UINT64_MAX, &out), 0);
		ck_assert_uint_eq(out, n);
		ck_assert_int_eq(parse_size(text, &out), 0);
		ck_assert_uint_eq(out, n);
		snprintf(text, sizeof(text), "%llu.%09us", n / SEC,
			 (unsigned)(n % SEC));
		ck_assert_int_eq(parse_duration(text, 0, &out), 0);
		ck_assert_uint_eq(out, n);
	}
}
END_TEST

/* Nothing that is refused changes *out, and nothing crashes. */
START_TEST(random_text)
{
	static const char alphabet[] = "0123456789.kmgtbinsuhdayoef -+:x";
	struct unit_rand r;

	unit_rand_start(&r);
	for (int i = 0; i < 100000; i++) {
		char text[24];
		size_t len = unit_rand(&r, sizeof(text));
		uint64_t out = BEFORE;
		bool flag = true;
		int rc;

		for (size_t k = 0; k < len; k++)
			text[k] = alphabet[unit_rand(&r, sizeof(alphabet) - 1)];
		text[len] = '\0';
		rc = parse_u64(text, UINT64_MAX, &out);
		ck_assert(!rc == (len && strspn(text, "0123456789") == len &&
				  rc != -ERANGE));
		if (!rc)
			out = BEFORE;
		rc = parse_size(text, &out);
		ck_assert(!rc || out == BEFORE);
		out = BEFORE;
		rc = parse_duration(text, SEC, &out);
		ck_assert(!rc || out == BEFORE);
		rc = parse_bool(text, &flag);
		ck_assert(!rc || flag);
	}
}
END_TEST

Suite *test_parse_suite(void)
{
	Suite *s = suite_create("parse");
	TCase *t = tcase_create("parse");

	tcase_add_test(t, numbers_of_any_form);
	tcase_add_test(t, a_number_has_its_maximum);
	tcase_add_test(t, a_number_at_a_cursor);
	tcase_add_test(t, an_id);
	tcase_add_test(t, sizes_of_any_form);
	tcase_add_test(t, durations_of_any_form);
	tcase_add_test(t, a_duration_in_another_unit);
	tcase_add_test(t, booleans_of_any_form);
	tcase_add_test(t, what_is_printed_is_read_back);
	tcase_add_test(t, random_text);
	suite_add_tcase(s, t);
	return s;
}
