/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/follow.h"

#define ENOUGH 1000 /* requests: many looks */

static cpu_set_t all;
static int cpu[2];

static void put_on(pid_t tid, int where)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(where, &one);
	ck_assert_int_eq(sched_setaffinity(tid, sizeof(one), &one), 0);
}

/* A client that sleeps often, on the first of two processors. */
static pid_t client_new(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		for (;;)
			usleep(1000);
	}
	put_on(pid, cpu[0]);
	return pid;
}

static void client_end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static bool two_processors(void)
{
	int n = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++) {
		if (CPU_ISSET(i, &all))
			cpu[n++] = i;
	}
	return n == 2;
}

static void ask(struct follow *f, pid_t who, unsigned n)
{
	while (n-- > 0)
		follow_request(f, (uint32_t)who);
}

/* A busy machine may put us elsewhere again at once: not each time. */
static void ask_until_together(struct follow *f, pid_t who)
{
	for (int n = 0; n < 100 && !follow_together(f); n++) {
		f->away.until = 0;
		ask(f, who, ENOUGH);
	}
	ck_assert(follow_together(f));
}

/* It has run there: a sleeper's processor changes when it wakes. */
static void settle(void)
{
	usleep(20000);
}

START_TEST(goes_where_the_client_is)
{
	struct follow f;
	size_t fds = unit_count_fds();
	cpu_set_t now;
	pid_t pid;

	if (!two_processors()) {
		unit_skip("one processor");
		return;
	}
	follow_begin(&f);
	pid = client_new();
	for (int n = 0; n < 2; n++) {
		put_on(pid, cpu[n]);
		settle();
		put_on(0, cpu[!n]);
		f.together = true;
		follow_part(&f);
		ask_until_together(&f, pid);
		ck_assert_int_eq(sched_getcpu(), cpu[n]);
	}
	follow_end(&f);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(now), &now), 0);
	ck_assert(CPU_EQUAL(&now, &all));
	ck_assert(!follow_together(&f));
	ck_assert_uint_eq(unit_count_fds(), fds);
	client_end(pid);
}
END_TEST

/* By an affinity of its own it cannot be elsewhere by chance. */
START_TEST(keeps_to_its_affinity)
{
	struct follow f;
	cpu_set_t now;
	pid_t pid;

	if (!two_processors()) {
		unit_skip("one processor");
		return;
	}
	pid = client_new();
	settle();
	put_on(0, cpu[1]);
	follow_begin(&f);
	ask(&f, pid, ENOUGH);
	ck_assert(!follow_together(&f));
	ck_assert_int_eq(sched_getcpu(), cpu[1]);
	ck_assert_uint_gt(f.away.pause, 0);

	/* When the client comes, and the pause is over, they are. */
	put_on(pid, cpu[1]);
	settle();
	ask_until_together(&f, pid);
	follow_end(&f);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(now), &now), 0);
	ck_assert_int_eq(CPU_COUNT(&now), 1);
	client_end(pid);
}
END_TEST

START_TEST(gives_up_on_a_restless_one)
{
	struct follow f;
	uint64_t pause = 0;
	pid_t pid;

	if (!two_processors()) {
		unit_skip("one processor");
		return;
	}
	follow_begin(&f);
	pid = client_new();
	for (int n = 0; n < 40 && f.away.pause == 0; n++) {
		/* It is always where we are not. */
		put_on(pid, cpu[!(sched_getcpu() == cpu[1])]);
		put_on(0, cpu[sched_getcpu() == cpu[1]]);
		f.together = true;
		follow_part(&f);
		settle();
		ask(&f, pid, 32);
	}
	ck_assert_uint_gt(f.away.pause, 0);
	ck_assert(!follow_together(&f));
	/* While it has given up it does not look. */
	pause = f.away.until;
	ask(&f, pid, 10);
	ck_assert_uint_eq(f.away.until, pause);
	follow_end(&f);
	client_end(pid);
}
END_TEST

START_TEST(nobody_to_follow)
{
	struct follow f;
	size_t fds = unit_count_fds();
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	follow_begin(&f);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ask(&f, 0, ENOUGH);
	ck_assert(!follow_together(&f));
	ck_assert_uint_eq(f.away.pause, 0);
	/* Gone: not a mistake, and not asked after again at once. */
	ask(&f, pid, ENOUGH);
	ck_assert(!follow_together(&f));
	ck_assert_uint_gt(f.away.pause, 0);
	ck_assert_uint_eq(unit_count_fds(), fds);
	follow_end(&f);
}
END_TEST

/* Each asks once and goes: nobody is looked at. */
START_TEST(many_that_ask_once)
{
	struct follow f;

	follow_begin(&f);
	for (uint32_t n = 1; n <= ENOUGH; n++)
		follow_request(&f, 1000000 + n);
	ck_assert_uint_eq(f.away.pause, 0);
	ck_assert(!follow_together(&f));
	follow_end(&f);
}
END_TEST

/* Two in turns: nobody's processor is the right one. */
START_TEST(parts_when_others_ask)
{
	struct follow f;
	cpu_set_t now;
	pid_t pid;

	if (!two_processors()) {
		unit_skip("one processor");
		return;
	}
	follow_begin(&f);
	pid = client_new();
	settle();
	ask_until_together(&f, pid);
	ask(&f, pid, FOLLOW_ROW);
	ck_assert(follow_alone(&f));
	follow_request(&f, 1000000);
	ck_assert(follow_together(&f));
	ck_assert(!follow_alone(&f));
	for (uint32_t n = 1; n < 2 * 32; n++)
		follow_request(&f, 1000000 + n % 2);
	ck_assert(!follow_together(&f));
	ck_assert(follow_shared(&f));
	ck_assert_int_eq(sched_getaffinity(0, sizeof(now), &now), 0);
	ck_assert(CPU_EQUAL(&now, &all));

	/* One of them alone, later. */
	ask_until_together(&f, pid);
	ck_assert(!follow_shared(&f));
	follow_end(&f);
	client_end(pid);
}
END_TEST

static void *thread_main(void *arg)
{
	_Atomic pid_t *tid = arg;

	*tid = (pid_t)syscall(SYS_gettid);
	for (int n = 0; n < 3000 && *tid; n++)
		usleep(1000);
	return NULL;
}

/* The kernel names threads, not processes. */
START_TEST(a_thread_is_looked_at)
{
	struct follow f;
	_Atomic pid_t tid = 0;
	pthread_t t;

	if (!two_processors()) {
		unit_skip("one processor");
		return;
	}
	ck_assert_int_eq(pthread_create(&t, NULL, thread_main, (void *)&tid),
			 0);
	while (!tid)
		usleep(1000);
	follow_begin(&f);
	for (int n = 0; n < 2; n++) {
		put_on(tid, cpu[n]);
		settle();
		follow_part(&f);
		ask_until_together(&f, tid);
	}
	tid = 0;
	pthread_join(t, NULL);
	follow_end(&f);
}
END_TEST

Suite *test_follow_suite(void)
{
	Suite *s = suite_create("follow");
	TCase *c = tcase_create("follow");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, goes_where_the_client_is);
	tcase_add_test(c, keeps_to_its_affinity);
	tcase_add_test(c, gives_up_on_a_restless_one);
	tcase_add_test(c, nobody_to_follow);
	tcase_add_test(c, many_that_ask_once);
	tcase_add_test(c, parts_when_others_ask);
	tcase_add_test(c, a_thread_is_looked_at);
	suite_add_tcase(s, c);
	return s;
}
