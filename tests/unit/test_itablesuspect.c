/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * itablerecover.h with many inodes, and those that the kernel may have
 * forgotten unheard.
 */
#include "fs/itablecount.h"
#include "fs/itablerecover.h"
#include "tests/unit/itab.h"
#include "tests/unit/unit.h"

static struct itable *t;

static void set_up(void)
{
	t = itab_new();
}

static void recover(void)
{
	ck_assert_int_eq(itablerecover(t), 0);
}

#define DEPTH 300

START_TEST(a_deep_tree_hangs_on_its_leaf)
{
	uint32_t parent = ITABLE_ROOT;
	uint64_t ids[DEPTH];

	set_up();
	for (unsigned n = 0; n < DEPTH; n++) {
		struct inode *i = itab_add(t, 100 + n, parent, "d");

		ids[n] = itablecount_add(t, i);
		parent = itable_index(t, i);
		itable_unpin(t, i);
	}
	for (unsigned n = 0; n < DEPTH - 1; n++)
		itablecount_forget(t, ids[n], 1);
	recover();
	itablerecover_drop(t);
	ck_assert_uint_eq(itab_stats(t).inodes, DEPTH + 1);
	itablecount_forget(t, ids[DEPTH - 1], 1);
	ck_assert_uint_eq(itab_stats(t).inodes, 1);
	itable_free(t);
}
END_TEST

START_TEST(many)
{
	enum { COUNT = 20000 };
	static uint64_t ids[COUNT];
	uint64_t bytes;

	set_up();
	for (unsigned n = 0; n < COUNT; n++)
		ids[n] = itab_tell(t, itab_add(t, 100 + n, ITABLE_ROOT,
					       "some name"));
	/* Whole pages without anything, and single holes. */
	for (unsigned n = 0; n < COUNT; n++) {
		if (n % 1024 < 512 || n % 7 == 0)
			itablecount_forget(t, ids[n], 1);
	}
	bytes = itab_stats(t).arena_bytes;
	recover();
	itablerecover_drop(t);
	ck_assert_uint_le(itab_stats(t).arena_bytes, bytes);
	for (unsigned n = 0; n < COUNT; n++) {
		bool there = !(n % 1024 < 512 || n % 7 == 0);

		ck_assert_int_eq(itab_known(t, ids[n]), there);
		ck_assert_uint_eq(itab_found(t, itab_ref(1, 100 + n)),
				  there ? ids[n] : 0);
	}
	for (unsigned n = 0; n < COUNT; n++)
		itab_tell(t,
			  itab_add(t, 100 + n, ITABLE_ROOT, "the other name"));
	ck_assert_uint_eq(itab_stats(t).inodes, COUNT + 1);
	itable_free(t);
}
END_TEST

static unsigned woken;

static void wake(void)
{
	woken++;
}

START_TEST(suspects_are_taken_once)
{
	struct itablerecover_suspect some[2], rest[8];
	uint64_t ids[3];
	uint32_t cursor = 0;
	bool more = false;

	set_up();
	for (unsigned n = 0; n < 3; n++)
		ids[n] = itab_tell(t, itab_add(t, 10 + n, ITABLE_ROOT, "x"));
	ck_assert(!itablerecover_has_suspects(t));
	recover();
	ck_assert(itablerecover_has_suspects(t));
	/* Not at once: an answer may lie unread. */
	ck_assert_uint_eq(
		itablerecover_suspects(t, &cursor, 100, &more, some, 2), 0);
	ck_assert(more);
	cursor = 0;
	more = false;
	ck_assert_uint_eq(itablerecover_suspects(t, &cursor, 0, &more, some, 2),
			  2);
	ck_assert_uint_eq(some[0].nodeid, ids[0]);
	ck_assert_uint_eq(some[1].nodeid, ids[1]);
	ck_assert_uint_eq(itablerecover_suspects(t, &cursor, 0, &more, rest, 8),
			  1);
	ck_assert_uint_eq(rest[0].nodeid, ids[2]);
	ck_assert(!more);
	cursor = 0;
	ck_assert_uint_eq(itablerecover_suspects(t, &cursor, 0, &more, rest, 8),
			  0);
	ck_assert(!itablerecover_has_suspects(t));
	itable_free(t);
}
END_TEST

START_TEST(the_young_stay_suspects)
{
	struct itablerecover_suspect some[8];
	uint32_t cursor = 0;
	bool more = false;
	uint64_t a;

	set_up();
	a = itab_tell(t, itab_add(t, 10, ITABLE_ROOT, "a"));
	recover();
	a = itablecount_add(t, itable_get(t, a));
	ck_assert_uint_eq(
		itablerecover_suspects(t, &cursor, 100, &more, some, 8), 0);
	ck_assert(more);
	ck_assert(itablerecover_has_suspects(t));
	cursor = 0;
	more = false;
	ck_assert_uint_eq(itablerecover_suspects(t, &cursor, 0, &more, some, 8),
			  1);
	ck_assert(!more);
	ck_assert_uint_eq(some[0].nodeid, a);
	itable_free(t);
}
END_TEST

START_TEST(a_part_forgotten_is_suspect)
{
	struct itablerecover_suspect s;
	uint32_t cursor = 0;
	bool more = false;
	uint64_t a, b;
	struct inode *i;

	set_up();
	itablerecover_on_suspects(t, wake);
	i = itab_add(t, 10, ITABLE_ROOT, "a");
	itablecount_add(t, i);
	itablecount_add(t, i);
	a = itab_tell(t, i);
	itablecount_forget(t, a, 1);
	ck_assert_uint_eq(woken, 1);
	ck_assert(itablerecover_has_suspects(t));
	itablecount_forget(t, a, 1);
	ck_assert_msg(woken == 1, "there are some already");
	i = itab_add(t, 11, ITABLE_ROOT, "b");
	itablecount_add(t, i);
	b = itab_tell(t, i);
	itablecount_forget(t, b, 2);
	ck_assert(!itab_known(t, b));
	ck_assert_uint_eq(itablerecover_suspects(t, &cursor, 0, &more, &s, 1),
			  1);
	ck_assert_uint_eq(s.nodeid, a);
	ck_assert(itablerecover_disown(t, &s));
	ck_assert(!itab_known(t, a));
	ck_assert_uint_eq(itab_stats(t).lookups, 1);
	itable_free(t);
}
END_TEST

START_TEST(disowning)
{
	struct itablerecover_suspect s = { .nodeid = 0 }, of_none;
	uint32_t cursor = 0;
	bool more = false;
	struct inode *i;
	uint64_t a, b;

	set_up();
	ck_assert(!itablerecover_disown(t, &s));
	i = itab_add(t, 10, ITABLE_ROOT, "a");
	itablecount_add(t, i);
	a = itab_tell(t, i);
	b = itab_tell(t, itab_add(t, 11, (uint32_t)a, "b"));
	recover();
	ck_assert_uint_eq(itablerecover_suspects(t, &cursor, 0, &more, &s, 1),
			  1);
	ck_assert_uint_eq(s.nodeid, a);

	/* Another inode has its place by now: not that one. */
	of_none = s;
	of_none.nodeid += 1ull << 32;
	ck_assert(!itablerecover_disown(t, &of_none));
	/* The kernel was told of it after it was asked. */
	of_none = s;
	of_none.told--;
	ck_assert(!itablerecover_disown(t, &of_none));
	ck_assert(itab_known(t, a));
	ck_assert_uint_eq(itab_stats(t).lookups, 4);

	/* Its child holds it, no lookup does. */
	ck_assert(itablerecover_disown(t, &s));
	ck_assert(itab_known(t, a));
	ck_assert_uint_eq(itab_stats(t).lookups, 2);
	itablecount_forget(t, b, 1);
	ck_assert_uint_eq(itab_stats(t).inodes, 1);
	itable_free(t);
}
END_TEST

START_TEST(disowned_while_it_is_used)
{
	struct itablerecover_suspect s = { .nodeid = 0 };
	uint32_t cursor = 0;
	bool more = false;
	struct inode *i;
	uint64_t a;

	set_up();
	a = itab_tell(t, itab_add(t, 10, ITABLE_ROOT, "a"));
	recover();
	i = itable_get(t, a);
	itablerecover_suspects(t, &cursor, 0, &more, &s, 1);
	itablerecover_disown(t, &s);
	ck_assert_msg(itab_known(t, a), "pinned");
	ck_assert_uint_eq(itab_found(t, itab_ref(1, 10)), a);
	itable_unpin(t, i);
	ck_assert(!itab_known(t, a));
	itable_free(t);
}
END_TEST

Suite *test_itablesuspect_suite(void)
{
	Suite *s = suite_create("itablesuspect");
	TCase *c = tcase_create("itablesuspect");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_deep_tree_hangs_on_its_leaf);
	tcase_add_test(c, many);
	tcase_add_test(c, suspects_are_taken_once);
	tcase_add_test(c, the_young_stay_suspects);
	tcase_add_test(c, a_part_forgotten_is_suspect);
	tcase_add_test(c, disowning);
	tcase_add_test(c, disowned_while_it_is_used);
	suite_add_tcase(s, c);
	return s;
}
