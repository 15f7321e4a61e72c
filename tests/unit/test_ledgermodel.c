/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: ledger, charge: random changes, threads, kills */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quota/charge.h"
#include "quota/ledger.h"
#include "tests/unit/books.h"

/* A model: the same changes, in the simplest way. */

#define ROWS 600u
#define IDS 40u

struct model {
	struct limit_rec recs[LEDGER_KINDS][IDS];
	struct model_row {
		bool known, doomed;
		struct charge c;
	} rows[ROWS];
};

static void model_add(struct model *m, const struct charge *c, int sign)
{
	const uint32_t ids[LEDGER_KINDS] = { 0, c->owner.uid, c->owner.gid };

	for (int k = 0; k < LEDGER_KINDS; k++) {
		struct limit_rec *r = &m->recs[k][ids[k]];

		r->of[LIMIT_SPACE].usage += (uint64_t)sign * c->space;
		r->of[LIMIT_INODES].usage += (uint64_t)sign;
	}
}

/* Graces, after a change that is whole. */
static void model_grace(struct model *m)
{
	for (int k = 0; k < LEDGER_KINDS; k++)
		for (unsigned id = 0; id < IDS; id++)
			for (int i = 0; i < LIMIT_RESOURCES; i++) {
				struct limit *l = &m->recs[k][id].of[i];
				bool above = l->soft && l->usage > l->soft;

				if (above && !l->deadline)
					l->deadline = books_time +
						      LIMIT_GRACE_DEFAULT;
				if (!above)
					l->deadline = 0;
			}
}

static struct charge any_charge(struct unit_rand *rnd)
{
	return books_charge(unit_rand(rnd, IDS), unit_rand(rnd, IDS),
			    unit_rand(rnd, 8) * 512ull);
}

static void model_limits(struct ledger *l, struct model *m,
			 struct unit_rand *rnd)
{
	int k = (int)unit_rand(rnd, LEDGER_KINDS),
	    i = (int)unit_rand(rnd, LIMIT_RESOURCES);
	uint32_t id = k ? unit_rand(rnd, IDS) : 0;
	uint64_t unit = i == LIMIT_SPACE ? 4096 : 3;
	uint64_t soft = unit_rand(rnd, 9) * unit,
		 hard = unit_rand(rnd, 9) * unit;
	int r = ledger_set(l, k, id, i, soft, hard);

	if (hard && soft > hard) {
		ck_assert_int_eq(r, -EINVAL);
		return;
	}
	ck_assert_int_eq(r, 0);
	m->recs[k][id].of[i].soft = soft;
	m->recs[k][id].of[i].hard = hard;
}

static void model_step(struct ledger *l, struct model *m, struct unit_rand *rnd)
{
	uint32_t row = unit_rand(rnd, ROWS), op = unit_rand(rnd, 20);
	struct model_row *p = &m->rows[row];
	struct charge c = any_charge(rnd);

	if (op < 5) {
		books_born(l, row, c);
		if (p->known)
			model_add(m, &p->c, -1);
		model_add(m, &c, 1);
		p->doomed &= p->known;
		p->known = true;
		p->c = c;
	} else if (op < 12) {
		books_settle(l, row, c);
		if (p->known) {
			model_add(m, &p->c, -1);
			model_add(m, &c, 1);
			p->c = c;
		}
	} else if (op < 16) {
		charge_doom(l, row, op % 4);
		p->doomed = p->known && op % 4;
	} else if (op < 18) {
		charge_forget(l, row);
		if (p->known && p->doomed)
			model_add(m, &p->c, -1);
		/* what lives on comes again as it was */
		if (p->known && !p->doomed)
			charge_know(l, row, &p->c);
		else
			p->known = p->doomed = false;
	} else if (op < 19) {
		model_limits(l, m, rnd);
	} else {
		books_time += unit_rand(rnd, 10000);
	}
	model_grace(m);
}

static void ck_model(struct ledger *l, const struct model *m)
{
	struct charge c;

	for (int k = 0; k < LEDGER_KINDS; k++)
		for (uint32_t id = 0; id < (k ? IDS : 1); id++) {
			struct limit_rec r;

			ledger_get(l, (enum ledger_kind)k, id, &r);
			ck_assert_mem_eq(&r, &m->recs[k][id], sizeof(r));
		}
	for (uint32_t row = 0; row < ROWS; row++) {
		ck_assert_int_eq(charge_row(l, row, &c), m->rows[row].known);
		if (m->rows[row].known)
			ck_assert_mem_eq(&c, &m->rows[row].c, sizeof(c));
	}
	books_check(l, true);
}

START_TEST(like_the_model)
{
	static struct model m;
	struct ledger *l = books_new(), *second;
	struct unit_rand rnd;

	unit_rand_start(&rnd);
	for (unsigned i = 0; i < 60000; i++) {
		model_step(l, &m, &rnd);
		if (i % 499 == 0)
			ck_model(l, &m);
		if (i % 9973 == 0) {
			/* the next process has the same */
			second = ledger_new(dup(ledger_fd(l)), books_now);
			ck_assert_ptr_nonnull(second);
			ledger_free(l);
			l = second;
			ck_model(l, &m);
		}
	}
	ck_model(l, &m);
	ledger_free(l);
}
END_TEST

/* Threads. */

#define THREADS 4u
#define HARD (100u * 512u)

struct worker {
	struct ledger *l;
	unsigned number;
	pthread_t id;
	unsigned refused;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct unit_rand rnd = { .state = w->number };

	for (unsigned i = 0; i < 20000; i++) {
		uint32_t row = w->number * 1000 + unit_rand(&rnd, 100);
		struct charge c = { .owner = { unit_rand(&rnd, 5),
					       unit_rand(&rnd, 5) },
				    .space = unit_rand(&rnd, 4) * 512ull };
		struct charge_want want = { c.owner, c.space, 1 };
		struct charge_hold hold;
		struct charge had;

		if (charge_row(w->l, row, &had)) {
			charge_doom(w->l, row, true);
			charge_forget(w->l, row);
		} else if (charge_reserve(w->l, &want, 1, &hold) == 0) {
			charge_born(w->l, row, &c, CHARGE_NO_MARK, 0);
			charge_release(w->l, &hold);
		} else {
			w->refused++;
		}
	}
	return NULL;
}

START_TEST(threads)
{
	struct worker w[THREADS];
	struct ledger *l = books_new();
	unsigned refused = 0;

	for (int k = 0; k < LEDGER_KINDS; k++)
		ledger_enforce(l, (enum ledger_kind)k, true);
	books_set(l, LEDGER_CONTAINER, 0, LIMIT_SPACE, 0, HARD);
	books_set(l, LEDGER_USER, 3, LIMIT_INODES, 0, 10);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .l = l, .number = i };
		ck_assert_int_eq(pthread_create(&w[i].id, NULL, work, &w[i]),
				 0);
	}
	for (unsigned i = 0; i < 20000; i++) {
		ck_assert_uint_le(
			books_usage(l, LEDGER_CONTAINER, 0, LIMIT_SPACE), HARD);
		ck_assert_uint_le(books_usage(l, LEDGER_USER, 3, LIMIT_INODES),
				  10);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(w[i].id, NULL);
		refused += w[i].refused;
	}
	ck_assert_uint_gt(refused, 0);
	books_check(l, true);
	ledger_free(l);
}
END_TEST

/* Kills. */

/* Changes until it is killed: owners and rows that are new, too. */
static void change_for_ever(struct ledger *l, uint64_t seed)
{
	struct unit_rand rnd = { 0 };

	unit_rand_start(&rnd);
	rnd.state += seed * 0xd1342543de82ef95u;
	/* requests have numbers of their own, or they were done before */
	for (uint64_t unique = seed << 32;; unique++) {
		uint32_t row = unit_rand(&rnd, 3000), op = unit_rand(&rnd, 8);
		struct charge c = { .owner = { unit_rand(&rnd, 3000),
					       unit_rand(&rnd, 3000) },
				    .space = unit_rand(&rnd, 100) * 512ull };

		if (op < 3) {
			charge_born(l, row, &c, row % CHARGE_MARKS, unique);
		} else if (op < 6) {
			charge_settle(l, row, &c);
		} else {
			charge_doom(l, row, true);
			charge_forget(l, row);
		}
	}
}

START_TEST(killed_in_the_middle)
{
	struct ledger *l = books_new();
	struct unit_rand rnd;

	unit_rand_start(&rnd);
	for (uint32_t i = 0; i < 200; i += 2) {
		books_set(l, LEDGER_USER, i, LIMIT_SPACE, 4096, 0);
		books_set(l, LEDGER_GROUP, i, LIMIT_INODES, 1, 2);
	}
	for (unsigned i = 0; i < 300; i++) {
		uint32_t us = unit_rand(&rnd, 3000);
		int status;
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			change_for_ever(l, i + 1);
		usleep(us);
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
		ck_assert_int_eq(ledger_recover(l), 0);
		books_check(l, true);
	}
	/* they did change it */
	ck_assert_uint_gt(ledger_version(l), 10000);
	ledger_free(l);
}
END_TEST

Suite *test_ledgermodel_suite(void)
{
	Suite *s = suite_create("ledgermodel");
	TCase *c = tcase_create("ledgermodel");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, like_the_model);
	tcase_add_test(c, threads);
	tcase_add_test(c, killed_in_the_middle);
	suite_add_tcase(s, c);
	return s;
}
