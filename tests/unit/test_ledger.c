/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: ledger, charge */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "quota/charge.h"
#include "quota/ledger.h"

static int64_t the_time = 1000000;

static int64_t now(void)
{
	return the_time;
}

static struct ledger *new_ledger(void)
{
	struct ledger *l = ledger_new(-1, now);

	ck_assert_ptr_nonnull(l);
	return l;
}

static struct limit limit_of(struct ledger *l, enum ledger_kind kind,
			     uint32_t id, enum limit_resource what)
{
	struct limit_rec r;

	ledger_get(l, kind, id, &r);
	return r.of[what];
}

static uint64_t usage(struct ledger *l, enum ledger_kind kind, uint32_t id,
		      enum limit_resource what)
{
	return limit_of(l, kind, id, what).usage;
}

static void set(struct ledger *l, enum ledger_kind kind, uint32_t id,
		enum limit_resource what, uint64_t soft, uint64_t hard)
{
	ck_assert_int_eq(ledger_set(l, kind, id, what, soft, hard), 0);
}

static struct charge of(uint32_t uid, uint32_t gid, uint64_t space)
{
	return (struct charge){ .owner = { uid, gid }, .space = space };
}

static void born(struct ledger *l, uint32_t row, struct charge c)
{
	ck_assert_int_eq(charge_born(l, row, &c, CHARGE_NO_MARK, 0), 0);
}

static void settle(struct ledger *l, uint32_t row, struct charge c)
{
	ck_assert_int_eq(charge_settle(l, row, &c), 0);
}

/* Sums. */

struct sums {
	struct ledger *l;
	uint64_t of[LIMIT_RESOURCES];
	unsigned n;
};

static void sum_rec(void *ctx, uint32_t id, const struct limit_rec *r)
{
	struct sums *s = ctx;

	(void)id;
	s->n++;
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		s->of[i] += r->of[i].usage;
}

static void sum_row(void *ctx, uint32_t row)
{
	struct sums *s = ctx;
	struct charge c;

	ck_assert(charge_row(s->l, row, &c));
	s->of[LIMIT_SPACE] += c.space;
	s->of[LIMIT_INODES]++;
}

/* Container, users, groups and rows: the same sum. */
static void ck_sums(struct ledger *l, bool rows)
{
	struct sums all[LEDGER_KINDS + 1] = { { .l = l } };

	for (int k = 0; k < LEDGER_KINDS; k++)
		ledger_each(l, (enum ledger_kind)k, sum_rec, &all[k]);
	all[LEDGER_KINDS].l = l;
	charge_each_row(l, sum_row, &all[LEDGER_KINDS]);
	for (int k = 1; k < LEDGER_KINDS + rows; k++)
		for (int i = 0; i < LIMIT_RESOURCES; i++)
			ck_assert_msg(all[k].of[i] == all[0].of[i],
				      "%s: %llu by %s, the container %llu",
				      limit_names[i],
				      (unsigned long long)all[k].of[i],
				      k < LEDGER_KINDS ? ledger_kinds[k]
						       : "row",
				      (unsigned long long)all[0].of[i]);
}

START_TEST(counting)
{
	struct ledger *l = new_ledger();
	struct charge c;

	ck_assert_uint_eq(usage(l, LEDGER_USER, 7, LIMIT_SPACE), 0);
	born(l, 5, of(7, 8, 4096));
	born(l, 6, of(7, 9, 0));
	ck_assert_uint_eq(usage(l, LEDGER_CONTAINER, 0, LIMIT_SPACE), 4096);
	ck_assert_uint_eq(usage(l, LEDGER_CONTAINER, 0, LIMIT_INODES), 2);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 7, LIMIT_INODES), 2);
	ck_assert_uint_eq(usage(l, LEDGER_GROUP, 9, LIMIT_INODES), 1);
	settle(l, 5, of(70, 8, 512));
	ck_assert_uint_eq(usage(l, LEDGER_USER, 7, LIMIT_SPACE), 0);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 70, LIMIT_SPACE), 512);
	ck_assert_uint_eq(usage(l, LEDGER_GROUP, 8, LIMIT_SPACE), 512);
	ck_assert_uint_eq(usage(l, LEDGER_CONTAINER, 0, LIMIT_INODES), 2);
	ck_assert(charge_row(l, 5, &c));
	ck_assert(c.owner.uid == 70 && c.owner.gid == 8 && c.space == 512);
	ck_assert(!charge_row(l, 7, &c));
	/* born twice is settled */
	born(l, 5, of(70, 8, 1024));
	ck_assert_uint_eq(usage(l, LEDGER_USER, 70, LIMIT_INODES), 1);
	/* what is not known is not settled */
	settle(l, 99, of(1, 1, 1024));
	ck_assert_uint_eq(usage(l, LEDGER_USER, 1, LIMIT_INODES), 0);
	/* its names went; it dies with its row */
	charge_doom(l, 5, true);
	charge_doom(l, 6, true);
	charge_doom(l, 6, false);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 70, LIMIT_INODES), 1);
	charge_forget(l, 5);
	charge_forget(l, 6);
	charge_forget(l, 6);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 70, LIMIT_INODES), 0);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 7, LIMIT_INODES), 1);
	/* it came back: counted already */
	charge_know(l, 6, &(struct charge){ { 7, 9 }, 0 });
	ck_assert_uint_eq(usage(l, LEDGER_USER, 7, LIMIT_INODES), 1);
	settle(l, 6, of(7, 9, 512));
	ck_sums(l, true);
	c = of(1, 1, 0);
	ck_assert_int_eq(charge_born(l, CHARGE_ROWS, &c, CHARGE_NO_MARK, 0),
			 -EINVAL);
	charge_forget(l, CHARGE_ROWS);
	ledger_free(l);
}
END_TEST

START_TEST(marks)
{
	struct ledger *l = new_ledger();
	struct charge c = of(1, 2, 512);

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(charge_born(l, 5, &c, 3, 777), 0);
		charge_forget(l, 5);
	}
	/* the same request, done again by who took over */
	ck_assert_int_eq(charge_born(l, 9, &c, 3, 777), 0);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 1, LIMIT_INODES), 1);
	ck_assert_int_eq(charge_born(l, 10, &c, 3, 778), 0);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 1, LIMIT_INODES), 2);
	ck_sums(l, true);
	/* one without a name */
	ck_assert_int_eq(charge_born(l, 11, &c, CHARGE_DOOMED, 0), 0);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 1, LIMIT_INODES), 3);
	charge_forget(l, 11);
	ck_assert_uint_eq(usage(l, LEDGER_USER, 1, LIMIT_INODES), 2);
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
	struct ledger *l = new_ledger();
	int err;

	for (int k = 0; k < LEDGER_KINDS; k++)
		ledger_enforce(l, (enum ledger_kind)k, true);
	ck_assert_int_eq(reserve(l, w, &h), 0);
	charge_release(l, &h);
	ck_assert(!charge_is_limited(l, w.owner));
	ck_assert_uint_eq(charge_room(l, w.owner, &err), UINT64_MAX);

	set(l, LEDGER_USER, 1, LIMIT_SPACE, 0, 8192);
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
	set(l, LEDGER_CONTAINER, 0, LIMIT_SPACE, 0, 4096);
	set(l, LEDGER_GROUP, 2, LIMIT_INODES, 0, 1);
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
	struct ledger *l = new_ledger();
	struct heard heard = { 0 };
	struct charge_hold h;

	ledger_on_event(l, hear, &heard);
	ledger_set_grace(l, LEDGER_USER, LIMIT_SPACE, 50);
	set(l, LEDGER_USER, 1, LIMIT_SPACE, 512, 2048);
	born(l, 1, of(1, 2, 512));
	ck_assert_uint_eq(heard.n, 0);
	settle(l, 1, of(1, 2, 1024));
	settle(l, 1, of(1, 2, 1536));
	ck_assert_uint_eq(heard.n, 1);
	ck_assert_int_eq(heard.last.event, LEDGER_SOFT);
	ck_assert(heard.last.kind == LEDGER_USER && heard.last.id == 1 &&
		  heard.last.what == LIMIT_SPACE);
	ck_assert_int_eq(limit_of(l, LEDGER_USER, 1, LIMIT_SPACE).deadline,
			 the_time + 50);
	w.space = 1024;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(reserve(l, w, &h), -EDQUOT);
	ck_assert_uint_eq(heard.n, 2);
	ck_assert_int_eq(heard.last.event, LEDGER_HARD);
	w.space = 512;
	ck_assert_int_eq(reserve(l, w, &h), 0);
	charge_release(l, &h);
	the_time += 50;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(reserve(l, w, &h), -EDQUOT);
	ck_assert_uint_eq(heard.n, 3);
	ck_assert_int_eq(heard.last.event, LEDGER_EXPIRED);
	/* a new grace, and below: all may be told again */
	ck_assert_int_eq(ledger_set_deadline(l, LEDGER_USER, 1, LIMIT_SPACE, 0),
			 0);
	ck_assert_int_eq(limit_of(l, LEDGER_USER, 1, LIMIT_SPACE).deadline,
			 the_time + 50);
	ck_assert_int_eq(reserve(l, w, &h), 0);
	charge_release(l, &h);
	settle(l, 1, of(1, 2, 512));
	settle(l, 1, of(1, 2, 1536));
	ck_assert_uint_eq(heard.n, 4);
	ck_assert_int_eq(heard.last.event, LEDGER_SOFT);
	ledger_free(l);
}
END_TEST

START_TEST(settings)
{
	const struct limit_rec rec = { { { 1, 2, 3, 4 }, { 5, 6, 7, 0 } } };
	struct ledger *l = new_ledger();
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
