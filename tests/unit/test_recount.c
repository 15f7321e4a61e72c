/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: counting anew while the ledger changes */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>

#include "quota/recount.h"
#include "tests/unit/books.h"

static struct charge inode(uint64_t ino, uint32_t uid, uint64_t space)
{
	struct charge c = books_charge(uid, uid + 100, space);

	c.ino = ino;
	return c;
}

static void check(struct ledger *l, uint32_t uid, uint64_t space, uint64_t n)
{
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, uid, LIMIT_SPACE), space);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, uid, LIMIT_INODES), n);
	ck_assert_uint_eq(books_usage(l, LEDGER_GROUP, uid + 100, LIMIT_SPACE),
			  space);
}

/* Whoever comes first brings it in, and once. */
START_TEST(each_enters_once)
{
	const struct recount_row rows[] = { { 5, 50 }, { 6, 60 } };
	const uint64_t wrong[LIMIT_RESOURCES] = { 1 << 20, 77 };
	struct ledger *l = books_new();
	struct recount *rc = recount_new(l);
	struct charge c;

	ck_assert_ptr_nonnull(rc);
	ck_assert_int_eq(ledger_set_usage(l, LEDGER_USER, 9, wrong), 0);
	c = inode(50, 1, 4096);
	charge_know(l, 5, &c);
	/* its row went before the count begins: row 6 is not known */
	recount_begin(rc, rows, 2);
	ck_assert(recount_has(rc, 50));
	ck_assert(!recount_has(rc, 60));
	c = inode(50, 1, 8192);
	recount_see(rc, &c);
	c = inode(60, 1, 512);
	recount_see(rc, &c);
	recount_see(rc, &c);
	/* known after the walk came by; and before */
	charge_know(l, 6, &c);
	c = inode(63, 2, 1024);
	charge_know(l, 7, &c);
	books_settle(l, 7, books_charge(2, 102, 2048));
	c = inode(63, 2, 2048);
	recount_see(rc, &c);
	books_settle(l, 6, books_charge(2, 102, 1024));
	ck_assert_int_eq(recount_end(rc), 3);
	check(l, 1, 4096, 1);
	check(l, 2, 3072, 2);
	check(l, 9, 0, 0);
	ck_assert_uint_eq(books_usage(l, LEDGER_CONTAINER, 0, LIMIT_SPACE),
			  7168);
	recount_free(rc);
	books_check(l, true);
	ledger_free(l);
}
END_TEST

/* What comes and goes meanwhile; an inode number that is given again. */
START_TEST(who_comes_and_goes)
{
	struct ledger *l = books_new();
	struct recount *rc = recount_new(l);
	struct charge c;

	/* open without a name, its inode is going already */
	ck_assert_ptr_nonnull(rc);
	c = inode(1, 1, 512);
	charge_born(l, 3, &c, CHARGE_DOOMED, 0);
	recount_begin(rc, NULL, 0);
	c = inode(7, 1, 4096);
	ck_assert_int_eq(charge_born(l, 4, &c, CHARGE_NO_MARK, 0), 0);
	recount_see(rc, &c);
	charge_doom(l, 4, true);
	charge_forget(l, 4);
	c = inode(7, 2, 1024);
	ck_assert_int_eq(charge_born(l, 4, &c, CHARGE_NO_MARK, 0), 0);
	recount_see(rc, &c);
	charge_forget(l, 3);
	ck_assert_int_eq(recount_end(rc), 1);
	check(l, 1, 0, 0);
	check(l, 2, 1024, 1);
	/* it is over */
	c = inode(8, 2, 1024);
	ck_assert_int_eq(charge_born(l, 9, &c, CHARGE_NO_MARK, 0), 0);
	ck_assert(!recount_has(rc, 8));
	ck_assert(!charge_is_recounted(l));
	check(l, 2, 2048, 2);
	recount_free(rc);
	ledger_free(l);
}
END_TEST

/* Given up, nothing is other than it was. */
START_TEST(given_up)
{
	const uint64_t was[LIMIT_RESOURCES] = { 4096, 3 };
	struct ledger *l = books_new();
	struct recount *rc = recount_new(l);

	ck_assert_ptr_nonnull(rc);
	ck_assert_int_eq(ledger_set_usage(l, LEDGER_USER, 1, was), 0);
	ck_assert_int_eq(ledger_set_usage(l, LEDGER_GROUP, 101, was), 0);
	recount_begin(rc, NULL, 0);
	ck_assert(charge_is_recounted(l));
	recount_free(rc);
	ck_assert(!charge_is_recounted(l));
	check(l, 1, 4096, 3);
	ledger_free(l);
}
END_TEST

Suite *test_recount_suite(void)
{
	Suite *s = suite_create("recount");
	TCase *tc = tcase_create("recount");

	tcase_add_test(tc, each_enters_once);
	tcase_add_test(tc, who_comes_and_goes);
	tcase_add_test(tc, given_up);
	suite_add_tcase(s, tc);
	return s;
}
