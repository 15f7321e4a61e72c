/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: ledgernext, order */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "quota/charge.h"
#include "quota/ledger.h"
#include "quota/ledgernext.h"
#include "tests/unit/books.h"

#define MANY 9000u /* several times what is looked at one by one */

static void load(struct ledger *l, enum ledger_kind kind, uint32_t id,
		 uint64_t usage)
{
	const struct limit_rec rec = { { { .usage = usage } } };

	ck_assert_int_eq(ledger_load(l, kind, id, &rec), 0);
}

/* The next one is `want`, of which this is the usage. */
static void is_next(struct ledger *l, enum ledger_kind kind, uint32_t from,
		    uint32_t want, uint64_t usage)
{
	struct limit_rec rec;
	uint32_t id = 0;

	ck_assert_msg(ledgernext(l, kind, from, &id, &rec), "none from %u on",
		      from);
	ck_assert_uint_eq(id, want);
	ck_assert_uint_eq(rec.of[LIMIT_SPACE].usage, usage);
}

static void none_next(struct ledger *l, enum ledger_kind kind, uint32_t from)
{
	struct limit_rec rec = { { { .usage = 77 } } };
	uint32_t id = 99;

	ck_assert(!ledgernext(l, kind, from, &id, &rec));
	ck_assert(id == 99 && rec.of[LIMIT_SPACE].usage == 77);
}

/* ---- all of them, in order ------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Numbers from everywhere, each once: by an odd factor modulo 2^32. */
static uint32_t scattered(uint32_t i)
{
	return i * 2654435761u + 12345u;
}

static uint64_t usage_of(uint32_t id)
{
	return (uint64_t)id + 1;
}

/* `ids` and no others, with their usage. */
static void walk(struct ledger *l, enum ledger_kind kind, uint32_t *ids,
		 size_t n)
{
	uint32_t from = 0;

	qsort(ids, n, sizeof(*ids), by_number);
	for (size_t i = 0; i < n; i++) {
		is_next(l, kind, from, ids[i], usage_of(ids[i]));
		is_next(l, kind, ids[i], ids[i], usage_of(ids[i]));
		from = ids[i] + 1;
	}
	if (from)
		none_next(l, kind, from);
}

START_TEST(all_in_order)
{
	static const uint32_t edges[] = { 0, 1, UINT32_MAX - 1, UINT32_MAX };
	struct ledger *l = books_new();
	uint32_t *ids = calloc(MANY + 4, sizeof(*ids));
	size_t n = 0;

	ck_assert_ptr_nonnull(ids);
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t id = scattered(i);

		if (id < 2 || id > UINT32_MAX - 2)
			continue;
		/* every third has nothing, and is there all the same */
		load(l, LEDGER_USER, id, i % 3 ? usage_of(id) : 0);
		load(l, LEDGER_GROUP, id ^ 1, 5);
		if (i % 3)
			ids[n++] = id;
		/* with some, with many, and on the way from one to the other */
		if (i == 10 || i == 1500 || i == 4000)
			walk(l, LEDGER_USER, ids, n);
	}
	walk(l, LEDGER_USER, ids, n);
	for (unsigned i = 0; i < 4; i++) {
		load(l, LEDGER_USER, edges[i], usage_of(edges[i]));
		ids[n++] = edges[i];
	}
	walk(l, LEDGER_USER, ids, n);
	/* some are empty now, of which one is the last */
	for (size_t i = 1; i < n; i += 2)
		load(l, LEDGER_USER, ids[i], 0);
	for (size_t i = 1; i < n / 2; i++)
		ids[i] = ids[2 * i];
	walk(l, LEDGER_USER, ids, n / 2);
	free(ids);
	ledger_free(l);
}
END_TEST

/* ---- gaps and ends ----------------------------------------------------------- */

START_TEST(edges)
{
	struct ledger *l = books_new();

	for (int k = 0; k < LEDGER_KINDS; k++)
		none_next(l, (enum ledger_kind)k, 0);
	load(l, LEDGER_USER, UINT32_MAX, 3);
	load(l, LEDGER_GROUP, 7, 4);
	is_next(l, LEDGER_USER, 0, UINT32_MAX, 3);
	is_next(l, LEDGER_USER, UINT32_MAX, UINT32_MAX, 3);
	/* the last user has no group after him, nor the container a user */
	load(l, LEDGER_USER, UINT32_MAX, 0);
	none_next(l, LEDGER_USER, 0);
	none_next(l, LEDGER_USER, UINT32_MAX);
	none_next(l, LEDGER_CONTAINER, 0);
	load(l, LEDGER_CONTAINER, 0, 9);
	is_next(l, LEDGER_CONTAINER, 0, 0, 9);
	is_next(l, LEDGER_GROUP, 0, 7, 4);
	none_next(l, LEDGER_GROUP, 8);
	/* the same when they are sorted */
	for (uint32_t i = 0; i < MANY; i++)
		load(l, LEDGER_GROUP, 1000 + 10 * i, 0);
	is_next(l, LEDGER_CONTAINER, 0, 0, 9);
	none_next(l, LEDGER_USER, 0);
	none_next(l, LEDGER_GROUP, 8);
	load(l, LEDGER_GROUP, 1000 + 10 * (MANY - 1), 6);
	is_next(l, LEDGER_GROUP, 8, 1000 + 10 * (MANY - 1), 6);
	/* only a limit is something, too */
	books_set(l, LEDGER_GROUP, 5010, LIMIT_INODES, 0, 1);
	is_next(l, LEDGER_GROUP, 8, 5010, 0);
	ledger_free(l);
}
END_TEST

/* ---- what comes and goes meanwhile ------------------------------------------- */

START_TEST(come_meanwhile)
{
	struct ledger *l = books_new();
	uint32_t from = 0, seen = 0, id;
	struct limit_rec rec;

	for (uint32_t i = 1; i <= MANY; i++)
		load(l, LEDGER_USER, 100 * i, 1);
	while (ledgernext(l, LEDGER_USER, from, &id, &rec)) {
		ck_assert_uint_ge(id, from);
		from = id + 1;
		seen++;
		if (id % 100)
			continue;
		/* one behind, which is not found, and one before, which is */
		load(l, LEDGER_USER, id - 50, 1);
		load(l, LEDGER_USER, id + 7, 1);
		is_next(l, LEDGER_USER, from, id + 7, 1);
	}
	ck_assert_uint_eq(seen, 2 * MANY);
	for (from = seen = 0; ledgernext(l, LEDGER_USER, from, &id, &rec);
	     seen++)
		from = id + 1;
	ck_assert_uint_eq(seen, 3 * MANY);
	ledger_free(l);
}
END_TEST

/* Who takes over has them in order as well. */
START_TEST(after_a_recovery)
{
	struct ledger *l = books_new();

	for (uint32_t i = MANY; i > 0; i--)
		load(l, LEDGER_USER, 3 * i, i);
	is_next(l, LEDGER_USER, 100, 102, 34);
	ledger_relax(l);
	ck_assert_int_eq(ledger_recover(l), 0);
	is_next(l, LEDGER_USER, 100, 102, 34);
	ck_assert_uint_eq(books_usage(l, LEDGER_USER, 300, LIMIT_SPACE), 100);
	load(l, LEDGER_USER, 101, 5);
	is_next(l, LEDGER_USER, 100, 101, 5);
	ledger_free(l);
}
END_TEST

struct company {
	struct ledger *l;
	_Atomic bool over;
};

static void *come_and_go(void *arg)
{
	struct company *c = arg;

	for (uint32_t row = 1; row <= 2 * MANY; row++) {
		books_born(c->l, row, books_charge(scattered(row) | 1, 7, 512));
		if (row % 2)
			continue;
		charge_doom(c->l, row, true);
		charge_forget(c->l, row);
	}
	atomic_store(&c->over, true);
	return NULL;
}

/* Those that were there before are all found, whoever comes. */
START_TEST(others_charge)
{
	struct company c = { .l = books_new() };
	pthread_t other;
	bool over;

	for (uint32_t i = 1; i <= 2000; i++)
		load(c.l, LEDGER_USER, 2000000 * i, 1);
	ck_assert_int_eq(pthread_create(&other, NULL, come_and_go, &c), 0);
	do {
		uint32_t from = 0, seen = 0, id;
		struct limit_rec rec;

		over = atomic_load(&c.over);
		while (ledgernext(c.l, LEDGER_USER, from, &id, &rec)) {
			ck_assert_uint_ge(id, from);
			seen += id % 2 == 0;
			from = id + 1;
		}
		ck_assert_uint_eq(seen, 2000);
	} while (!over);
	pthread_join(other, NULL);
	ledger_free(c.l);
}
END_TEST

Suite *test_ledgernext_suite(void)
{
	Suite *s = suite_create("ledgernext");
	TCase *c = tcase_create("ledgernext");

	tcase_add_test(c, all_in_order);
	tcase_add_test(c, edges);
	tcase_add_test(c, come_meanwhile);
	tcase_add_test(c, after_a_recovery);
	tcase_add_test(c, others_charge);
	suite_add_tcase(s, c);
	return s;
}
