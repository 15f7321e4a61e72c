/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: limit */
#include "tests/unit/unit.h"

#include <errno.h>

#include "quota/limit.h"

#define NOW 1000

START_TEST(asking)
{
	static const struct {
		const char *text;
		struct limit l;
		uint64_t more;
		enum limit_verdict v;
	} rows[] = {
		{ "no limit", { 5, 0, 0, 0 }, LIMIT_MAX, LIMIT_FITS },
		{ "up to the hard one", { 5, 0, 10, 0 }, 5, LIMIT_FITS },
		{ "above it", { 5, 0, 10, 0 }, 6, LIMIT_OVER_HARD },
		{ "nothing, above it", { 50, 0, 10, 0 }, 0, LIMIT_FITS },
		{ "above the soft one", { 5, 8, 10, 0 }, 5, LIMIT_FITS },
		{ "in the grace", { 9, 8, 10, NOW + 1 }, 1, LIMIT_FITS },
		{ "at its end", { 9, 8, 10, NOW }, 1, LIMIT_OVER_TIME },
		{ "nothing, at its end", { 9, 8, 10, NOW }, 0, LIMIT_FITS },
		{ "hard first", { 9, 8, 10, NOW }, 2, LIMIT_OVER_HARD },
		{ "no hard one", { 9, 8, 0, NOW - 1 }, 1, LIMIT_OVER_TIME },
		{ "no hard one, in time", { 9, 8, 0, NOW + 1 }, 1, LIMIT_FITS },
		{ "beyond numbers",
		  { 9, 0, LIMIT_MAX, 0 },
		  UINT64_MAX,
		  LIMIT_OVER_HARD },
		{ "beyond numbers, no limit",
		  { 9, 0, 0, 0 },
		  UINT64_MAX,
		  LIMIT_FITS },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unit_row(rows[i].text);
		ck_assert_int_eq(limit_ask(&rows[i].l, rows[i].more, NOW),
				 rows[i].v);
	}
}
END_TEST

START_TEST(room)
{
	static const struct {
		struct limit l;
		uint64_t room;
	} rows[] = {
		{ { 5, 0, 0, 0 }, UINT64_MAX },
		{ { 5, 0, 12, 0 }, 7 },
		{ { 5, 6, 12, 0 }, 7 },
		{ { 7, 6, 12, NOW + 1 }, 5 },
		{ { 7, 6, 12, NOW }, 0 },
		{ { 20, 0, 12, 0 }, 0 },
		{ { 20, 6, 0, NOW + 1 }, UINT64_MAX },
		{ { 20, 6, 0, NOW }, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_uint_eq(limit_room(&rows[i].l, NOW), rows[i].room);
}
END_TEST

/* What is said to have room is granted, and one more is not. */
START_TEST(room_is_what_is_granted)
{
	struct unit_rand rnd;

	unit_rand_start(&rnd);
	for (int i = 0; i < 100000; i++) {
		struct limit l = { unit_rand(&rnd, 20), unit_rand(&rnd, 20),
				   unit_rand(&rnd, 20),
				   unit_rand(&rnd, 2) *
					   (NOW - 2 + unit_rand(&rnd, 5)) };
		uint64_t has;

		if (l.hard && l.soft > l.hard)
			continue;
		/* as limit_settle() leaves it */
		if (!l.soft || l.usage <= l.soft)
			l.deadline = 0;
		has = limit_room(&l, NOW);
		if (has == UINT64_MAX) {
			ck_assert_int_eq(limit_ask(&l, LIMIT_MAX, NOW),
					 LIMIT_FITS);
			continue;
		}
		ck_assert_int_eq(limit_ask(&l, has, NOW), LIMIT_FITS);
		ck_assert_int_ne(limit_ask(&l, has + 1, NOW), LIMIT_FITS);
	}
}
END_TEST

START_TEST(grace)
{
	struct limit l = { .soft = 10, .hard = 20 };

	limit_settle(&l, 10, 100, NOW);
	ck_assert_int_eq(l.deadline, 0);
	limit_settle(&l, 11, 100, NOW);
	ck_assert_int_eq(l.deadline, NOW + 100);
	/* more of it is no new grace */
	limit_settle(&l, 20, 100, NOW + 50);
	ck_assert_int_eq(l.deadline, NOW + 100);
	ck_assert_int_eq(limit_ask(&l, 1, NOW + 99), LIMIT_OVER_HARD);
	limit_settle(&l, 15, 100, NOW + 60);
	ck_assert_int_eq(limit_ask(&l, 1, NOW + 99), LIMIT_FITS);
	ck_assert_int_eq(limit_ask(&l, 1, NOW + 100), LIMIT_OVER_TIME);
	/* at the soft limit it is over, and the next is a new one */
	limit_settle(&l, 10, 100, NOW + 200);
	ck_assert_int_eq(l.deadline, 0);
	limit_settle(&l, 12, 7, NOW + 300);
	ck_assert_int_eq(l.deadline, NOW + 307);
	/* forced growth above the hard one */
	limit_settle(&l, 99, 7, NOW + 300);
	ck_assert_uint_eq(l.usage, 99);
	ck_assert_int_eq(limit_ask(&l, 1, NOW + 300), LIMIT_OVER_HARD);
}
END_TEST

START_TEST(setting)
{
	struct limit l = { .usage = 50 }, was;

	ck_assert_int_eq(limit_set(&l, 40, 60, 100, NOW), 0);
	ck_assert_int_eq(l.deadline, NOW + 100);
	/* a limit that changes keeps the deadline that runs */
	ck_assert_int_eq(limit_set(&l, 45, 0, 100, NOW + 20), 0);
	ck_assert_int_eq(l.deadline, NOW + 100);
	was = l;
	ck_assert_int_eq(limit_set(&l, 61, 60, 100, NOW), -EINVAL);
	ck_assert_int_eq(limit_set(&l, LIMIT_MAX + 1ull, 0, 100, NOW), -ERANGE);
	ck_assert_int_eq(limit_set(&l, 0, LIMIT_MAX + 1ull, 100, NOW), -ERANGE);
	ck_assert_mem_eq(&l, &was, sizeof(l));
	ck_assert_int_eq(limit_set(&l, 50, 50, 100, NOW), 0);
	ck_assert_int_eq(l.deadline, 0);
	ck_assert_int_eq(limit_set(&l, LIMIT_MAX, LIMIT_MAX, 100, NOW), 0);
	ck_assert_int_eq(limit_set(&l, 1, 2, 100, NOW), 0);
	ck_assert_int_eq(limit_set(&l, 0, 2, 100, NOW), 0);
	ck_assert_int_eq(l.deadline, 0);
	ck_assert(limit_is_set(&l));
	ck_assert_int_eq(limit_set(&l, 0, 0, 100, NOW), 0);
	ck_assert(!limit_is_set(&l));
}
END_TEST

Suite *test_limit_suite(void)
{
	Suite *s = suite_create("limit");
	TCase *c = tcase_create("limit");

	tcase_add_test(c, asking);
	tcase_add_test(c, room);
	tcase_add_test(c, room_is_what_is_granted);
	tcase_add_test(c, grace);
	tcase_add_test(c, setting);
	suite_add_tcase(s, c);
	return s;
}
