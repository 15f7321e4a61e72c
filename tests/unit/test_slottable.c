/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slot.h's table: its room, its threads, and who is at fault. */
#include "fs/slot.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static struct slot_table *t;

static void set_up(void)
{
	t = slot_table_new(-1);
	ck_assert_ptr_nonnull(t);
	slot_table_begin(t);
}

static struct slot *begin(uint64_t unique)
{
	slot_begin(t, unique, 5, 77, false);
	ck_assert_ptr_nonnull(slot_current());
	return slot_current();
}

/* The process before this one was killed; the kernel asks again. */
static struct slot *again(uint64_t unique)
{
	slot_begin(t, unique, 5, 78, true);
	return slot_current();
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void count(void *ctx, struct slot *s)
{
	ck_assert_ptr_nonnull(s);
	++*(unsigned *)ctx;
}

static unsigned in_state(enum slot_state state)
{
	unsigned n = 0;

	slot_each(t, state, count, &n);
	return n;
}

START_TEST(another_program_sees_the_same)
{
	struct slot_table *first;
	struct slot *s;

	set_up();
	first = t;
	s = begin(42);
	slot_note_kind(SLOT_THERE);
	t = slot_table_new(dup(slot_table_fd(first)));
	ck_assert_ptr_nonnull(t);
	slot_table_begin(t);
	ck_assert_ptr_ne(again(42), s);
	ck_assert_ptr_nonnull(slot_before(SLOT_THERE));
	slot_end();
	ck_assert_uint_eq(atomic_load(&s->state), SLOT_FREE);
	slot_table_free(first);
	slot_table_free(t);
}
END_TEST

START_TEST(no_room_for_a_table)
{
	struct rlimit small = { 4096, RLIM_INFINITY };
	size_t before = unit_count_fds();
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_ptr_null(slot_table_new(fds[0]));
	ck_assert_msg(!is_open(fds[0]), "taken in every case");
	close(fds[1]);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_ptr_null(slot_table_new(-1));
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

static void *one_more(void *arg)
{
	slot_begin(t, 100000, 1, -1, false);
	ck_assert_ptr_eq(slot_current(), arg);
	slot_end();
	return NULL;
}

START_TEST(all_slots_in_use)
{
	struct slot *s = NULL;
	pthread_t th;

	set_up();
	for (unsigned n = 0; n < SLOT_MAX; n++) {
		struct slot *next = begin(n + 1);

		if (n == 300)
			s = next;
	}
	ck_assert_uint_eq(in_state(SLOT_EXEC), SLOT_MAX);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(pthread_create(&th, NULL, one_more, s), 0);
	sched_yield();
	atomic_store(&s->state, SLOT_FREE);
	pthread_join(th, NULL);
	ck_assert_uint_eq(in_state(SLOT_FREE), 1);
	slot_table_free(t);
}
END_TEST

#define THREADS 8

static void *work(void *arg)
{
	uint64_t first = (uintptr_t)arg * 1000000;

	for (unsigned n = 1; n < 20000; n++) {
		slot_begin(t, first + n, 1, -1, false);
		ck_assert_uint_eq(slot_current()->unique, first + n);
		slot_note_kind(SLOT_VACANT);
		sched_yield();
		ck_assert_uint_eq(slot_current()->unique, first + n);
		slot_end();
	}
	return NULL;
}

START_TEST(threads_do_not_share_a_slot)
{
	pthread_t th[THREADS];

	set_up();
	for (uintptr_t n = 0; n < THREADS; n++)
		pthread_create(&th[n], NULL, work, (void *)(n + 1));
	for (unsigned n = 0; n < THREADS; n++)
		pthread_join(th[n], NULL);
	ck_assert_uint_eq(in_state(SLOT_FREE), SLOT_MAX);
	slot_table_free(t);
}
END_TEST

/* Who works on what, and who is at fault. */

static void *my_now(void *arg)
{
	struct slot_now *now = slot_now(t);

	(void)arg;
	if (now) {
		ck_assert_ptr_eq(now, slot_now(t));
		now->answered++;
	}
	return now;
}

static void *now_of_a_thread(void)
{
	pthread_t th;
	void *now;

	ck_assert_int_eq(pthread_create(&th, NULL, my_now, NULL), 0);
	ck_assert_int_eq(pthread_join(th, &now), 0);
	return now;
}

START_TEST(each_thread_has_its_own_place)
{
	void *seen[SLOT_THREADS];

	set_up();
	ck_assert_uint_eq(slot_answered(t), 0);
	for (unsigned n = 0; n < SLOT_THREADS; n++) {
		seen[n] = now_of_a_thread();
		ck_assert_ptr_nonnull(seen[n]);
		for (unsigned k = 0; k < n; k++)
			ck_assert_ptr_ne(seen[n], seen[k]);
	}
	ck_assert_ptr_null(now_of_a_thread());
	ck_assert_uint_eq(slot_answered(t), SLOT_THREADS);
	/* The next process has as many; what was answered stays. */
	slot_table_begin(t);
	ck_assert_ptr_eq(now_of_a_thread(), seen[0]);
	ck_assert_uint_eq(slot_answered(t), SLOT_THREADS + 1);
	slot_table_free(t);
}
END_TEST

static void die_of(uint64_t unique, bool fault)
{
	slot_now(t)->unique = unique;
	slot_blame(t, fault);
	ck_assert_uint_eq(slot_now(t)->unique, 0);
}

START_TEST(faults_are_counted)
{
	set_up();
	ck_assert_uint_eq(slot_faults(t, 7), 0);
	die_of(7, false);
	ck_assert_uint_eq(slot_faults(t, 7), 0);
	die_of(7, true);
	die_of(8, true);
	die_of(7, true);
	die_of(0, true);
	ck_assert_uint_eq(slot_faults(t, 7), 2);
	ck_assert_uint_eq(slot_faults(t, 8), 1);
	ck_assert_uint_eq(slot_faults(t, 9), 0);
	ck_assert_uint_eq(slot_faults(t, 0), 0);
	slot_table_begin(t);
	die_of(7, true);
	ck_assert_uint_eq(slot_faults(t, 7), 3);
	slot_table_free(t);
}
END_TEST

/* More than are remembered: the oldest, the least numbers, are forgotten. */
START_TEST(faults_of_many)
{
	set_up();
	for (uint64_t n = 1; n <= 200; n++) {
		die_of(n, true);
		die_of(n, true);
		ck_assert_uint_eq(slot_faults(t, n), 2);
	}
	for (uint64_t n = 1; n <= 200; n++)
		ck_assert_uint_eq(slot_faults(t, n), n <= 200 - 64 ? 0 : 2);
	die_of(200, true);
	ck_assert_uint_eq(slot_faults(t, 200), 3);
	slot_table_free(t);
}
END_TEST

Suite *test_slottable_suite(void)
{
	Suite *s = suite_create("slottable");
	TCase *c = tcase_create("slottable");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, another_program_sees_the_same);
	tcase_add_test(c, no_room_for_a_table);
	tcase_add_test(c, all_slots_in_use);
	tcase_add_test(c, threads_do_not_share_a_slot);
	tcase_add_test(c, each_thread_has_its_own_place);
	tcase_add_test(c, faults_are_counted);
	tcase_add_test(c, faults_of_many);
	suite_add_tcase(s, c);
	return s;
}
