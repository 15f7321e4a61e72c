/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "fs/lend.h"

static struct lend l;
static int me;

static int class_now(void)
{
	return sched_getscheduler(0);
}

/* False: not allowed here. */
static bool set_up(void)
{
	me = (int)syscall(SYS_gettid);
	lend_init(&l);
	ck_assert_int_eq(class_now(), SCHED_OTHER);
	if (!l.allowed)
		unit_skip("no way back from the idle class without "
			  "CAP_SYS_NICE");
	return l.allowed;
}

START_TEST(there_and_back)
{
	if (!set_up())
		return;
	for (int n = 0; n < 3; n++) {
		lend_begin(&l, me);
		lend_begin(&l, me);
		ck_assert_int_eq(class_now(), SCHED_IDLE);
		lend_end(&l, me);
		ck_assert_int_eq(class_now(), SCHED_OTHER);
		lend_end(&l, me);
	}
}
END_TEST

/* Who leads no longer must not take it from who does. */
START_TEST(of_one_at_a_time)
{
	if (!set_up())
		return;
	lend_begin(&l, me);
	lend_begin(&l, me + 1);
	lend_end(&l, me + 1);
	ck_assert_int_eq(class_now(), SCHED_IDLE);
	lend_end(&l, me);
	ck_assert_int_eq(class_now(), SCHED_OTHER);
}
END_TEST

struct rescue {
	bool waited, found;
};

static void *rescue_main(void *arg)
{
	struct rescue *r = arg;

	r->found = lend_rescue(&l, r->waited);
	return NULL;
}

static bool rescued(bool waited)
{
	struct rescue r = { .waited = waited };
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, rescue_main, &r), 0);
	pthread_join(t, NULL);
	return r.found;
}

START_TEST(somebody_gets_it_back_for_us)
{
	if (!set_up())
		return;
	ck_assert(!rescued(true));
	lend_begin(&l, me);
	ck_assert(rescued(false));
	ck_assert_int_eq(class_now(), SCHED_OTHER);
	ck_assert(!rescued(false));
	lend_end(&l, me);

	/* Nobody has waited: again at once. */
	lend_begin(&l, me);
	ck_assert_int_eq(class_now(), SCHED_IDLE);
	lend_end(&l, me);
}
END_TEST

START_TEST(a_pause_when_others_waited)
{
	uint64_t first;

	if (!set_up())
		return;
	lend_begin(&l, me);
	ck_assert(rescued(true));
	lend_begin(&l, me);
	ck_assert_int_eq(class_now(), SCHED_OTHER);
	ck_assert_uint_gt(l.kept.until, clock_coarse());
	first = l.kept.pause;
	ck_assert_uint_gt(first, 0);

	/* It is over, and it happens again soon: a longer one. */
	l.kept.until = clock_coarse() - 1;
	lend_begin(&l, me);
	ck_assert_int_eq(class_now(), SCHED_IDLE);
	ck_assert(rescued(true));
	lend_begin(&l, me);
	ck_assert_int_eq(class_now(), SCHED_OTHER);
	ck_assert_uint_eq(l.kept.pause, 2 * first);

	/* Long after: a short one. The clock is the machine's, and young. */
	l.kept.until = clock_coarse() - 11 * l.kept.pause;
	lend_begin(&l, me);
	ck_assert_int_eq(class_now(), SCHED_IDLE);
	ck_assert(rescued(true));
	lend_begin(&l, me);
	ck_assert_int_eq(class_now(), SCHED_OTHER);
	ck_assert_uint_eq(l.kept.pause, first);
}
END_TEST

START_TEST(taken_back_for_something_long)
{
	if (!set_up())
		return;
	lend_take_back();
	ck_assert_int_eq(class_now(), SCHED_OTHER);
	lend_begin(&l, me);
	lend_take_back();
	ck_assert_int_eq(class_now(), SCHED_OTHER);
	ck_assert_int_eq(l.tid, 0);
	lend_begin(&l, me);
	ck_assert_int_eq(class_now(), SCHED_IDLE);

	/* Rescued meanwhile, and another lends by now: that is his. */
	ck_assert(rescued(false));
	l.tid = me + 1;
	lend_take_back();
	ck_assert_int_eq(l.tid, me + 1);
}
END_TEST

/* Somebody has put us into another class: there we stay. */
START_TEST(of_another_class)
{
	const struct sched_param none = { .sched_priority = 0 };

	me = (int)syscall(SYS_gettid);
	ck_assert_int_eq(sched_setscheduler(0, SCHED_BATCH, &none), 0);
	lend_init(&l);
	ck_assert(!l.allowed);
	lend_begin(&l, me);
	lend_end(&l, me);
	ck_assert_int_eq(class_now(), SCHED_BATCH);
	ck_assert_int_eq(sched_setscheduler(0, SCHED_OTHER, &none), 0);
}
END_TEST

Suite *test_lend_suite(void)
{
	Suite *s = suite_create("lend");
	TCase *c = tcase_create("lend");

	tcase_add_test(c, there_and_back);
	tcase_add_test(c, of_one_at_a_time);
	tcase_add_test(c, somebody_gets_it_back_for_us);
	tcase_add_test(c, a_pause_when_others_waited);
	tcase_add_test(c, taken_back_for_something_long);
	tcase_add_test(c, of_another_class);
	suite_add_tcase(s, c);
	return s;
}
