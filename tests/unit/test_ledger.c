/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: ledger, charge */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "quota/charge.h"
#include "quota/ledger.h"
#include "tests/unit/books.h"

START_TEST(counting)
{
	struct ledger *l = books_new();
	struct charge c;

	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 7, LIMIT_SPACE), 0);
	books_born(l, 5, books_charge(7, 8, 4096));
	books_born(l, 6, books_charge(7, 9, 0));
	ck_assert_uint_eq(books_usage(l, LEDGER_CONTAINER, 0, LIMIT_SPACE),
			  4096);
	ck_assert_uint_eq(books_usage(l, LEDGER_CONTAINER, 0, LIMIT_INODES), 2);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 7, LIMIT_INODES), 2);
	ck_assert_uint_eq(books_usage(l, LEDGER_GROUP, 9, LIMIT_INODES), 1);
	books_settle(l, 5, books_charge(70, 8, 512));
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 7, LIMIT_SPACE), 0);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 70, LIMIT_SPACE), 512);
	ck_assert_uint_eq(books_usage(l, LEDGER_GROUP, 8, LIMIT_SPACE), 512);
	ck_assert_uint_eq(books_usage(l, LEDGER_CONTAINER, 0, LIMIT_INODES), 2);
	ck_assert(charge_row(l, 5, &c));
	ck_assert(c.owner.uid == 70 && c.owner.gid == 8 && c.space == 512);
	ck_assert(!charge_row(l, 7, &c));
	/* born twice is settled */
	books_born(l, 5, books_charge(70, 8, 1024));
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 70, LIMIT_INODES), 1);
	/* what is not known is not settled */
	books_settle(l, 99, books_charge(1, 1, 1024));
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 1, LIMIT_INODES), 0);
	/* its names went; it dies with its row */
	charge_doom(l, 5, true);
	charge_doom(l, 6, true);
	charge_doom(l, 6, false);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 70, LIMIT_INODES), 1);
	charge_forget(l, 5);
	charge_forget(l, 6);
	charge_forget(l, 6);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 70, LIMIT_INODES), 0);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 7, LIMIT_INODES), 1);
	/* it came back: counted already */
	charge_know(l, 6, &(struct charge){ .owner = { 7, 9 } });
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 7, LIMIT_INODES), 1);
	books_settle(l, 6, books_charge(7, 9, 512));
	books_check(l, true);
	c = books_charge(1, 1, 0);
	ck_assert_int_eq(charge_born(l, CHARGE_ROWS, &c, CHARGE_NO_MARK, 0),
			 -EINVAL);
	charge_forget(l, CHARGE_ROWS);
	ledger_free(l);
}
END_TEST

START_TEST(marks)
{
	struct ledger *l = books_new();
	struct charge c = books_charge(1, 2, 512);

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(charge_born(l, 5, &c, 3, 777), 0);
		charge_forget(l, 5);
	}
	/* the same request, done again by who took over */
	ck_assert_int_eq(charge_born(l, 9, &c, 3, 777), 0);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 1, LIMIT_INODES), 1);
	ck_assert_int_eq(charge_born(l, 10, &c, 3, 778), 0);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 1, LIMIT_INODES), 2);
	books_check(l, true);
	/* one without a name */
	ck_assert_int_eq(charge_born(l, 11, &c, CHARGE_DOOMED, 0), 0);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 1, LIMIT_INODES), 3);
	charge_forget(l, 11);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 1, LIMIT_INODES), 2);
	ledger_free(l);
}
END_TEST

static int reserve(struct ledger *l, struct charge_want w,
		   struct charge_hold *h)
{
	return charge_reserve(l, &w, 1, h);
}

START_TEST(reserving)
{
	const struct charge_want w = { { 1, 2 }, 4096, 1 };
	struct charge_hold h = { { 0 } }, g = { { 0 } };
	struct charge_want two[2] = { w, w };
	struct ledger *l = books_new();
	int err;

	for (int k = 0; k < LEDGER_KINDS; k++)
		ledger_enforce(l, (enum ledger_kind)k, true);
	ck_assert_int_eq(reserve(l, w, &h), 0);
	charge_release(l, &h);
	ck_assert(!charge_is_limited(l, w.owner));
	ck_assert_uint_eq(charge_room(l, w.owner, &err), UINT64_MAX);

	books_set(l, LEDGER_USER, 1, LIMIT_SPACE, 0, 8192);
	ck_assert(charge_is_limited(l, w.owner));
	ck_assert(!charge_is_limited(l, (struct charge_owner){ 2, 2 }));
	ck_assert_int_eq(reserve(l, w, &h), 0);
	ck_assert_int_eq(reserve(l, w, &g), 0);
	/* what others hold counts */
	ck_assert_int_eq(charge_reserve(l, two, 1, &h), -EDQUOT);
	charge_release(l, &g);
	charge_release(l, &h);
	ck_assert_int_eq(charge_reserve(l, two, 2, &h), 0);
	charge_release(l, &h);
	two[1].space++;
	ck_assert_int_eq(charge_reserve(l, two, 2, &h), -EDQUOT);
	ck_assert_uint_eq(charge_room(l, w.owner, &err), 8192);
	ck_assert_int_eq(err, -EDQUOT);

	/* the container is asked first */
	books_set(l, LEDGER_CONTAINER, 0, LIMIT_SPACE, 0, 4096);
	books_set(l, LEDGER_GROUP, 2, LIMIT_INODES, 0, 1);
	ck_assert_int_eq(charge_reserve(l, two, 2, &h), -ENOSPC);
	ck_assert_uint_eq(charge_room(l, w.owner, &err), 4096);
	ck_assert_int_eq(err, -ENOSPC);
	ledger_enforce(l, LEDGER_CONTAINER, false);
	ledger_enforce(l, LEDGER_USER, false);
	ck_assert_int_eq(charge_reserve(l, two, 2, &h), -EDQUOT);
	ledger_enforce(l, LEDGER_GROUP, false);
	ck_assert_int_eq(charge_reserve(l, two, 2, &h), 0);
	charge_release(l, &h);
	ck_assert(!charge_is_limited(l, w.owner));

	/* chown asks whom it goes to, of the level that changes */
	for (int k = 0; k < LEDGER_KINDS; k++)
		ledger_enforce(l, (enum ledger_kind)k, true);
	ck_assert_int_eq(charge_may_move(l, (struct charge_owner){ 0, 2 },
					 w.owner, 8192),
			 0);
	ck_assert_int_eq(charge_may_move(l, (struct charge_owner){ 0, 2 },
					 w.owner, 8193),
			 -EDQUOT);
	ck_assert_int_eq(charge_may_move(l, (struct charge_owner){ 1, 2 },
					 w.owner, 8193),
			 0);
	ledger_free(l);
}
END_TEST

/* Events. */

struct heard {
	unsigned n;
	struct ledger_event last;
};

static void hear(void *ctx, const struct ledger_event *e)
{
	struct heard *h = ctx;

	h->n++;
	h->last = *e;
}

START_TEST(events)
{
	struct charge_want w = { { 1, 2 }, 100, 0 };
	struct ledger *l = books_new();
	struct heard heard = { 0 };
	struct charge_hold h;

	ledger_on_event(l, hear, &heard);
	ledger_set_grace(l, LEDGER_USER, LIMIT_SPACE, 50);
	books_set(l, LEDGER_USER, 1, LIMIT_SPACE, 512, 2048);
	books_born(l, 1, books_charge(1, 2, 512));
	ck_assert_uint_eq(heard.n, 0);
	books_settle(l, 1, books_charge(1, 2, 1024));
	books_settle(l, 1, books_charge(1, 2, 1536));
	ck_assert_uint_eq(heard.n, 1);
	ck_assert_int_eq(heard.last.event, LEDGER_SOFT);
	ck_assert(heard.last.kind == LEDGER_USER && heard.last.id == 1 &&
		  heard.last.what == LIMIT_SPACE);
	ck_assert_int_eq(books_limit(l, LEDGER_USER, 1, LIMIT_SPACE).deadline,
			 books_time + 50);
	w.space = 1024;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(reserve(l, w, &h), -EDQUOT);
	ck_assert_uint_eq(heard.n, 2);
	ck_assert_int_eq(heard.last.event, LEDGER_HARD);
	w.space = 512;
	ck_assert_int_eq(reserve(l, w, &h), 0);
	charge_release(l, &h);
	books_time += 50;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(reserve(l, w, &h), -EDQUOT);
	ck_assert_uint_eq(heard.n, 3);
	ck_assert_int_eq(heard.last.event, LEDGER_EXPIRED);
	/* a new grace, and below: all may be told again */
	ck_assert_int_eq(ledger_set_deadline(l, LEDGER_USER, 1, LIMIT_SPACE, 0),
			 0);
	ck_assert_int_eq(books_limit(l, LEDGER_USER, 1, LIMIT_SPACE).deadline,
			 books_time + 50);
	ck_assert_int_eq(reserve(l, w, &h), 0);
	charge_release(l, &h);
	books_settle(l, 1, books_charge(1, 2, 512));
	books_settle(l, 1, books_charge(1, 2, 1536));
	ck_assert_uint_eq(heard.n, 4);
	ck_assert_int_eq(heard.last.event, LEDGER_SOFT);
	ledger_free(l);
}
END_TEST

START_TEST(settings)
{
	const struct limit_rec rec = { { { 1, 2, 3, 4 }, { 5, 6, 7, 0 } } };
	struct ledger *l = books_new();
	struct limit_rec got;
	uint64_t v;

	for (int k = 0; k < LEDGER_KINDS; k++)
		for (int i = 0; i < LIMIT_RESOURCES; i++)
			ck_assert_uint_eq(ledger_grace(l, k, i),
					  LIMIT_GRACE_DEFAULT);
	v = ledger_version(l);
	ck_assert_uint_eq(ledger_version(l), v);
	ck_assert_int_eq(ledger_load(l, LEDGER_GROUP, 5, &rec), 0);
	ck_assert_uint_ne(ledger_version(l), v);
	ledger_get(l, LEDGER_GROUP, 5, &got);
	ck_assert_mem_eq(&got, &rec, sizeof(rec));
	ledger_get(l, LEDGER_USER, 5, &got);
	ck_assert_uint_eq(got.of[0].usage, 0);
	ck_assert_int_eq(ledger_set(l, LEDGER_USER, 5, LIMIT_SPACE, 9, 8),
			 -EINVAL);
	ck_assert_int_eq(ledger_set(l, LEDGER_USER, 5, LIMIT_SPACE, 0,
				    LIMIT_MAX + 1ull),
			 -ERANGE);
	for (int k = 0; k < LEDGER_KINDS; k++)
		for (int on = 0; on < 2; on++) {
			ledger_enforce(l, (enum ledger_kind)k, on);
			ck_assert_int_eq(ledger_enforces(l, k), on);
		}
	ledger_free(l);
}
END_TEST

Suite *test_ledger_suite(void)
{
	Suite *s = suite_create("ledger");
	TCase *c = tcase_create("ledger");

	tcase_add_test(c, counting);
	tcase_add_test(c, marks);
	tcase_add_test(c, reserving);
	tcase_add_test(c, events);
	tcase_add_test(c, settings);
	suite_add_tcase(s, c);
	return s;
}
