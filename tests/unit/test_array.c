/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdint.h>

#include "fs/base/array.h"
#include "fs/base/cleanup.h"

START_TEST(keeps_what_it_has)
{
	_cleanup_free_ uint32_t *all = NULL;
	size_t room = 0, moves = 0;

	for (uint32_t i = 0; i < 10000; i++) {
		size_t was = room;

		ck_assert_int_eq(ARRAY_FIT(all, room, i + 1u), 0);
		ck_assert_ptr_nonnull(all);
		ck_assert_uint_gt(room, i);
		moves += room != was;
		all[i] = i;
	}
	ck_assert_uint_le(moves, 14);
	for (uint32_t i = 0; i < 10000; i++)
		ck_assert_uint_eq(all[i], i);
}
END_TEST

START_TEST(many_at_once)
{
	_cleanup_free_ char *all = NULL;
	size_t room = 0;

	ck_assert_int_eq(ARRAY_FIT(all, room, 1000000), 0);
	ck_assert_uint_ge(room, 1000000);
	ck_assert_ptr_nonnull(all);
	all[999999] = 1;
	ck_assert_uint_lt(room, 2000000);
}
END_TEST

/* What does not fit into memory or into a size changes nothing. */
START_TEST(without_memory)
{
	static const size_t much[] = { SIZE_MAX, SIZE_MAX / 2,
				       SIZE_MAX / 2 + 1 };
	_cleanup_free_ uint64_t *all = NULL;
	size_t room = 0;
	uint64_t *was;

	ck_assert_int_eq(ARRAY_FIT(all, room, 1), 0);
	ck_assert_ptr_nonnull(all);
	all[0] = 7;
	was = all;
	for (size_t i = 0; i < sizeof(much) / sizeof(*much); i++) {
		size_t had = room;

		ck_assert_int_eq(ARRAY_FIT(all, room, much[i]), -ENOMEM);
		ck_assert_uint_eq(room, had);
		ck_assert_ptr_eq(all, was);
		ck_assert_uint_eq(all[0], 7);
	}
}
END_TEST

Suite *test_array_suite(void)
{
	Suite *s = suite_create("array");
	TCase *t = tcase_create("array");

	tcase_add_test(t, keeps_what_it_has);
	tcase_add_test(t, many_at_once);
	tcase_add_test(t, without_memory);
	suite_add_tcase(s, t);
	return s;
}
