/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>

#include "fs/base/cleanup.h"
#include "fs/base/lock.h"

#define THREADS 6
#define ROUNDS 20000

static struct lock lock;
static unsigned long counter;
static _Atomic unsigned arrived;

START_TEST(all_zero_is_unlocked)
{
	struct lock l = { 0 };

	ck_assert_uint_eq(sizeof(l), 4);
	for (int i = 0; i < 3; i++) {
		lock_acquire(&l);
		ck_assert_uint_eq(l.word, 1);
		lock_release(&l);
		ck_assert_uint_eq(l.word, 0);
	}
}
END_TEST

START_TEST(trying)
{
	struct lock l = { 0 };

	ck_assert(lock_try(&l));
	ck_assert(!lock_try(&l));
	lock_release(&l);
	ck_assert(lock_try(&l));
	lock_release(&l);
	ck_assert_uint_eq(l.word, 0);
}
END_TEST

static void *count_up(_unused_ void *arg)
{
	atomic_fetch_add(&arrived, 1);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned long seen;

		lock_acquire(&lock);
		seen = counter;
		/* Let another one come in between, if it can. */
		if (i % 64 == 0)
			sched_yield();
		counter = seen + 1;
		lock_release(&lock);
	}
	return NULL;
}

START_TEST(one_at_a_time)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, count_up, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(counter, (unsigned long)THREADS * ROUNDS);
	ck_assert_uint_eq(lock.word, 0);
}
END_TEST

/* All sleep on a held lock, seen by its word; each release lets one on. */
START_TEST(sleepers_are_woken)
{
	pthread_t threads[THREADS];

	lock_acquire(&lock);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, count_up, NULL), 0);
	while (atomic_load(&arrived) < THREADS || atomic_load(&lock.word) != 2)
		sched_yield();
	ck_assert_uint_eq(counter, 0);
	lock_release(&lock);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(counter, (unsigned long)THREADS * ROUNDS);
	ck_assert_uint_eq(lock.word, 0);
}
END_TEST

Suite *test_lock_suite(void)
{
	Suite *s = suite_create("lock");
	TCase *t = tcase_create("lock");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, all_zero_is_unlocked);
	tcase_add_test(t, trying);
	tcase_add_test(t, one_at_a_time);
	tcase_add_test(t, sleepers_are_woken);
	suite_add_tcase(s, t);
	return s;
}
