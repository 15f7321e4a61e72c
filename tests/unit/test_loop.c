/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device is a pipe in packet mode: each write is one request. What a
 * request is about stands in it; a gate is something that it waits for.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/lend.h"
#include "fs/loop.h"

#define THREADS_MAX 16
#define PATIENCE 1000 /* of 10 ms: what takes longer never comes */

enum { PLAIN, SLOW, STUCK, DATA };

struct request {
	unsigned kind;
	unsigned number;
};

static struct {
	struct loop_config cfg;
	int in; /* where requests are put */
	pthread_t runner;
	int result;
	_Atomic unsigned handled, sum, wrong;
	_Atomic bool gate;   /* open: who waits goes on */
	_Atomic unsigned at; /* how many stand at it */
	_Atomic unsigned n_threads;
	_Atomic unsigned lent; /* handled in the idle class */
	_Atomic uint32_t client;
	_Atomic pid_t tids[THREADS_MAX];
	_Atomic pid_t handler;	/* who handled the last one, */
	_Atomic unsigned moved; /* so often another than the one before */
} t;

static void nap(void)
{
	usleep(10000);
}

static int begin_thread(void *ctx)
{
	unsigned n = atomic_fetch_add(&t.n_threads, 1);

	if (ctx != &t || n >= THREADS_MAX)
		t.wrong++;
	else
		t.tids[n] = (pid_t)syscall(SYS_gettid);
	return 0;
}

static enum loop_length length(const void *request, size_t len)
{
	struct request r;

	if (len < sizeof(r))
		return LOOP_SHORT;
	memcpy(&r, request, sizeof(r));
	return r.kind == SLOW	? LOOP_SLOW
	       : r.kind == DATA ? LOOP_DATA
				: LOOP_SHORT;
}

static void handle(void *ctx, void *request, size_t len, int fd)
{
	struct request r;

	if (ctx != &t || len != sizeof(r) ||
	    (fd != t.cfg.fd && fd != t.cfg.fd_busy)) {
		t.wrong++;
		return;
	}
	memcpy(&r, request, sizeof(r));
	if (atomic_exchange(&t.handler, gettid()) != gettid())
		t.moved++;
	if (sched_getscheduler(0) == SCHED_IDLE)
		t.lent++;
	/* Long enough for another to have taken the lead. */
	if (r.kind == DATA)
		usleep(1000);
	if (r.kind != PLAIN) {
		t.at++;
		for (int n = 0; n < 20 * PATIENCE && !t.gate; n++)
			nap();
	}
	t.sum += r.number;
	t.handled++;
}

static uint32_t caller(const void *request, size_t len)
{
	(void)request;
	(void)len;
	return t.client;
}

static void *run(_unused_ void *arg)
{
	t.result = loop_run(&t.cfg);
	return NULL;
}

static void set_up(unsigned threads, unsigned busy_poll)
{
	char path[32];
	int p[2];

	memset(&t, 0, sizeof(t));
	ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_DIRECT), 0);
	/* Room enough that nobody who puts has to wait. */
	ck_assert_int_gt(fcntl(p[1], F_SETPIPE_SZ, 1 << 20), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
	t.in = p[1];
	t.cfg = (struct loop_config){
		.fd = p[0],
		.fd_busy = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC),
		.threads = threads,
		.busy_poll = busy_poll,
		.buffer = 1 << 20,
		.thread_begin = begin_thread,
		.length = length,
		.caller = caller,
		.handle = handle,
		.ctx = &t,
	};
	ck_assert_int_ge(t.cfg.fd_busy, 0);
	ck_assert_int_eq(pthread_create(&t.runner, NULL, run, NULL), 0);
}

/* The device goes; all threads must. */
static void tear_down(void)
{
	close(t.in);
	pthread_join(t.runner, NULL);
	ck_assert_int_eq(t.result, 0);
	ck_assert_uint_eq(t.n_threads, t.cfg.threads);
	ck_assert_uint_eq(t.wrong, 0);
	close(t.cfg.fd);
	close(t.cfg.fd_busy);
}

static void put(unsigned kind, unsigned number)
{
	struct request r = { kind, number };

	ck_assert_int_eq(write(t.in, &r, sizeof(r)), sizeof(r));
}

static bool reaches(_Atomic unsigned *what, unsigned value)
{
	for (int n = 0; n < PATIENCE && *what < value; n++)
		nap();
	return *what >= value;
}

#define REQUESTS 20000u

static void many(unsigned threads, unsigned busy_poll)
{
	unsigned sum = 0;

	set_up(threads, busy_poll);
	for (unsigned n = 1; n <= REQUESTS; n++) {
		put(n % 97 == 0 ? SLOW : PLAIN, n);
		t.gate = true;
		sum += n;
	}
	ck_assert(reaches(&t.handled, REQUESTS));
	tear_down();
	ck_assert_uint_eq(t.handled, REQUESTS);
	ck_assert_uint_eq(t.sum, sum);
}

START_TEST(each_request_once)
{
	many(1, 0);
	many(1, 100);
	many(3, 0);
	many(3, 100);
	many(8, 50);
}
END_TEST

/* One at a time, so that every way of waiting is gone through. */
START_TEST(one_after_the_other)
{
	set_up(3, 100);
	for (unsigned n = 1; n <= 500; n++) {
		put(PLAIN, 1);
		for (int k = 0; k < 1000000 && t.handled < n; k++) {
			if (k > 1000)
				usleep(10);
		}
		ck_assert_uint_eq(t.handled, n);
		if (n % 50 == 0)
			nap();
	}
	tear_down();
}
END_TEST

/* The rest goes on while some wait, as long as there are threads. */
static void others_go_on(unsigned kind, unsigned threads, unsigned stuck)
{
	unsigned done;

	for (unsigned n = 0; n < stuck; n++) {
		put(kind, 1);
		ck_assert_msg(reaches(&t.at, n + 1),
			      "request %u of %u that wait was not taken", n + 1,
			      stuck);
	}
	done = t.handled;
	for (unsigned n = 0; n < 100; n++)
		put(PLAIN, 1);
	ck_assert_msg(reaches(&t.handled, done + 100),
		      "%u of 100 handled beside %u of %u threads that wait",
		      t.handled - done, stuck, threads);
	t.gate = true;
	ck_assert(reaches(&t.handled, done + 100 + stuck));
}

START_TEST(a_slow_request_blocks_nobody)
{
	for (unsigned stuck = 1; stuck < 4; stuck++) {
		set_up(4, stuck == 1 ? 0 : 100);
		put(PLAIN, 1);
		ck_assert(reaches(&t.handled, 1));
		others_go_on(SLOW, 4, stuck);
		tear_down();
	}
}
END_TEST

/* Nobody knew that it would take long: the deputy takes over. */
START_TEST(a_stuck_leader_is_replaced)
{
	set_up(3, 100);
	for (unsigned n = 0; n < 200; n++)
		put(PLAIN, 1);
	put(STUCK, 1);
	ck_assert(reaches(&t.at, 1));
	others_go_on(STUCK, 3, 1);
	tear_down();
}
END_TEST

/* The same for the first request after a long silence. */
START_TEST(stuck_after_a_silence)
{
	set_up(3, 100);
	put(PLAIN, 1);
	ck_assert(reaches(&t.handled, 1));
	usleep(300000);
	others_go_on(STUCK, 3, 1);
	tear_down();
}
END_TEST

START_TEST(stuck_at_the_very_first)
{
	set_up(3, 100);
	ck_assert(reaches(&t.n_threads, 3));
	usleep(300000);
	others_go_on(STUCK, 3, 1);
	tear_down();
}
END_TEST

/* Whoever was replaced comes back and works again. */
START_TEST(leaders_come_and_go)
{
	set_up(4, 100);
	for (unsigned round = 0; round < 20; round++) {
		t.gate = false;
		t.at = 0;
		others_go_on(round % 2 ? SLOW : STUCK, 4, 1 + round % 3);
	}
	tear_down();
}
END_TEST

static unsigned long switches(pid_t tid)
{
	char path[64], line[256];
	unsigned long n, sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
			sum += n;
	}
	fclose(f);
	return sum;
}

START_TEST(nobody_wakes_while_nothing_happens)
{
	unsigned long before[THREADS_MAX];

	set_up(4, 100);
	t.gate = true;
	for (unsigned n = 0; n < 1000; n++)
		put(n % 10 ? PLAIN : SLOW, 1);
	ck_assert(reaches(&t.handled, 1000));
	/* All have gone to sleep by then; and if one has not, it tells. */
	usleep(500000);
	for (unsigned n = 0; n < 4; n++)
		before[n] = switches(t.tids[n]);
	usleep(500000);
	for (unsigned n = 0; n < 4; n++)
		ck_assert_uint_eq(switches(t.tids[n]), before[n]);
	tear_down();
}
END_TEST

/* What one asks for while it sleeps until it is answered. */
static void ask_in_turn(unsigned kind, unsigned requests)
{
	for (unsigned n = 0; n < requests; n++) {
		unsigned before = t.handled;

		put(kind, 1);
		for (int k = 0; k < 100000 && t.handled == before; k++)
			usleep(10);
	}
}

/* Much data goes round among the threads only where others may wait. */
START_TEST(data_of_one_stays)
{
	unsigned moved;

	set_up(3, 100);
	t.gate = true;
	ask_in_turn(DATA, 100);
	ck_assert_uint_gt(t.moved, 50);
	t.client = (uint32_t)gettid();
	ask_in_turn(DATA, 100);
	moved = t.moved;
	ask_in_turn(DATA, 200);
	/* Once or twice the deputy takes over, on a busy machine. */
	ck_assert_uint_lt(t.moved - moved, 50);
	t.gate = false;
	t.at = 0;
	others_go_on(DATA, 3, 1);
	tear_down();
}
END_TEST

START_TEST(data_of_many_blocks_nobody)
{
	for (unsigned stuck = 1; stuck < 4; stuck++) {
		set_up(4, 100);
		others_go_on(DATA, 4, stuck);
		tear_down();
	}
}
END_TEST

static bool may_lend(void)
{
	struct lend l;

	lend_init(&l);
	if (!l.allowed)
		unit_skip("no way back from the idle class without "
			  "CAP_SYS_NICE");
	return l.allowed;
}

/* Until the leader lends us its processor; false: it may not. */
static bool set_up_lending(void)
{
	if (!may_lend())
		return false;
	set_up(3, 100);
	t.client = (uint32_t)syscall(SYS_gettid);
	for (int n = 0; n < 100 && !t.lent; n++)
		ask_in_turn(PLAIN, 50);
	ck_assert_uint_gt(t.lent, 0);
	return true;
}

static bool all_are_ordinary(void)
{
	for (unsigned n = 0; n < t.n_threads; n++) {
		if (sched_getscheduler(t.tids[n]) != SCHED_OTHER)
			return false;
	}
	return true;
}

static void tear_down_ordinary(void)
{
	for (int n = 0; n < PATIENCE && !all_are_ordinary(); n++)
		nap();
	ck_assert(all_are_ordinary());
	tear_down();
}

/* Whoever has one client lends it the processor, but does not sleep so. */
START_TEST(lends_while_it_answers)
{
	if (set_up_lending())
		tear_down_ordinary();
}
END_TEST

static void *spin(void *arg)
{
	_Atomic bool *over = arg;

	while (!*over)
		;
	return NULL;
}

/* Whoever lends gets on beside those who want the processor for themselves. */
START_TEST(lends_beside_busy_ones)
{
	_Atomic bool over = false;
	pthread_t busy[4];

	if (!set_up_lending())
		return;
	for (unsigned n = 0; n < ARRAY_SIZE(busy); n++)
		ck_assert_int_eq(
			pthread_create(&busy[n], NULL, spin, (void *)&over), 0);
	for (unsigned n = 0; n < 100; n++) {
		unsigned before = t.handled;

		put(PLAIN, 1);
		ck_assert(reaches(&t.handled, before + 1));
	}
	over = true;
	for (unsigned n = 0; n < ARRAY_SIZE(busy); n++)
		pthread_join(busy[n], NULL);
	tear_down();
}
END_TEST

/* Nobody could look after it. */
START_TEST(one_thread_lends_nothing)
{
	if (!may_lend())
		return;
	set_up(1, 100);
	t.client = (uint32_t)syscall(SYS_gettid);
	ask_in_turn(PLAIN, 300);
	ck_assert_uint_eq(t.lent, 0);
	tear_down();
}
END_TEST

/* It has lent its processor and does not get on: others do. */
START_TEST(stuck_while_it_lends)
{
	if (!set_up_lending())
		return;
	others_go_on(STUCK, 3, 1);
	tear_down_ordinary();
}
END_TEST

START_TEST(an_error_of_the_device)
{
	struct loop_config cfg = {
		.threads = 3,
		.buffer = 4096,
		.length = length,
		.handle = handle,
	};
	size_t before = unit_count_fds();

	cfg.fd = cfg.fd_busy = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(loop_run(&cfg), -EISDIR);
	close(cfg.fd);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

Suite *test_loop_suite(void)
{
	Suite *s = suite_create("loop");
	TCase *c = tcase_create("loop");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, each_request_once);
	tcase_add_test(c, one_after_the_other);
	tcase_add_test(c, a_slow_request_blocks_nobody);
	tcase_add_test(c, data_of_one_stays);
	tcase_add_test(c, data_of_many_blocks_nobody);
	tcase_add_test(c, a_stuck_leader_is_replaced);
	tcase_add_test(c, stuck_after_a_silence);
	tcase_add_test(c, stuck_at_the_very_first);
	tcase_add_test(c, leaders_come_and_go);
	tcase_add_test(c, nobody_wakes_while_nothing_happens);
	tcase_add_test(c, lends_while_it_answers);
	tcase_add_test(c, lends_beside_busy_ones);
	tcase_add_test(c, one_thread_lends_nothing);
	tcase_add_test(c, stuck_while_it_lends);
	tcase_add_test(c, an_error_of_the_device);
	suite_add_tcase(s, c);
	return s;
}
