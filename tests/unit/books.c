/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/books.h"

#include "tests/unit/unit.h"

int64_t books_time = 1000000;

int64_t books_now(void)
{
	return books_time;
}

struct ledger *books_new(void)
{
	struct ledger *l = ledger_new(-1, books_now);

	ck_assert_ptr_nonnull(l);
	return l;
}

struct limit books_limit(struct ledger *l, enum ledger_kind kind, uint32_t id,
			 enum limit_resource what)
{
	struct limit_rec r;

	ledger_get(l, kind, id, &r);
	return r.of[what];
}

uint64_t books_usage(struct ledger *l, enum ledger_kind kind, uint32_t id,
		     enum limit_resource what)
{
	return books_limit(l, kind, id, what).usage;
}

void books_set(struct ledger *l, enum ledger_kind kind, uint32_t id,
	       enum limit_resource what, uint64_t soft, uint64_t hard)
{
	ck_assert_int_eq(ledger_set(l, kind, id, what, soft, hard), 0);
}

struct charge books_charge(uint32_t uid, uint32_t gid, uint64_t space)
{
	return (struct charge){ .owner = { uid, gid }, .space = space };
}

void books_born(struct ledger *l, uint32_t row, struct charge c)
{
	ck_assert_int_eq(charge_born(l, row, &c, CHARGE_NO_MARK, 0), 0);
}

void books_settle(struct ledger *l, uint32_t row, struct charge c)
{
	ck_assert_int_eq(charge_settle(l, row, &c), 0);
}

struct sums {
	struct ledger *l;
	uint64_t of[LIMIT_RESOURCES];
};

static void sum_rec(void *ctx, uint32_t id, const struct limit_rec *r)
{
	struct sums *s = ctx;

	(void)id;
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

void books_check(struct ledger *l, bool rows)
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
