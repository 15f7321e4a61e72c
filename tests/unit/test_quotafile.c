/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/gate.h"
#include "fs/quotafile.h"
#include "tests/unit/ovl.h"

#define PATIENCE 200 /* ms */

/* Somebody who lets go of a file without a name. */
struct closer {
	struct ovl *v;
	struct inode *inode;
	pthread_t thread;
	atomic_bool done;
	unsigned drifts;
};

static void *let_go(void *ctx)
{
	struct closer *c = ctx;

	ovl_put_back(c->v, c->inode);
	atomic_store(&c->done, true);
	return NULL;
}

/* Called between what is read of it and what is done about it. */
static void let_go_now(void *ctx, const struct scan_drift *d)
{
	const struct timespec pause = { .tv_nsec = (long)CLOCK_MS };
	struct closer *c = ctx;

	(void)d;
	if (c->drifts++ > 0)
		return;
	ck_assert_int_eq(pthread_create(&c->thread, NULL, let_go, c), 0);
	for (int i = 0; i < PATIENCE && !atomic_load(&c->done); i++)
		nanosleep(&pause, NULL);
}

static void count_drift(void *ctx, const struct scan_drift *d)
{
	unsigned *n = ctx;

	(void)d;
	++*n;
}

/* What ends while usage is set right is not counted for ever. */
START_TEST(closed_while_it_is_checked)
{
	const uint64_t wrong[LIMIT_RESOURCES] = { 4096, 1 };
	struct closer c = { .drifts = 0 };
	unsigned drifts = 0;
	struct ovl v;
	const char *why = ovl_set_up(&v, 1);

	if (why) {
		unit_skip(why);
		return;
	}
	ovl_begin(&v, true);
	ck_assert_int_eq(gate_new(&v.o->gate, ledger_new(-1, NULL),
				  upper_workfd(v.o->upper)),
			 0);
	ck_assert_int_ge(quotafile_check(v.o, true, NULL, NULL), 1);
	ck_assert_int_eq(ovl_make(&v, "", "f", S_IFREG | 0644), 0);
	c.v = &v;
	c.inode = ovl_get(&v, "f", NULL);
	ck_assert_int_eq(ovl_remove(&v, "", "f", false), 0);
	ck_assert_int_eq(ledger_set_usage(gate_ledger(v.o->gate), LEDGER_USER,
					  77, wrong),
			 0);
	ck_assert_int_ge(quotafile_check(v.o, true, let_go_now, &c), 2);
	ck_assert_uint_eq(c.drifts, 1);
	pthread_join(c.thread, NULL);
	ck_assert_int_eq(quotafile_check(v.o, false, count_drift, &drifts), 1);
	ck_assert_uint_eq(drifts, 0);
	ovl_tear_down(&v);
}
END_TEST

Suite *test_quotafile_suite(void)
{
	Suite *s = suite_create("quotafile");
	TCase *tc = tcase_create("quotafile");

	tcase_add_test(tc, closed_while_it_is_checked);
	suite_add_tcase(s, tc);
	return s;
}
