/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ct: notify, when supervisors and monitors die */
#include "tools/ct/notify.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tests/unit/notifyrig.h"
#include "tests/unit/unit.h"

static int call_both(void *arg)
{
	ck_assert(notifyrig_sysinfo_is_right());
	return notifyrig_ask(arg);
}

START_TEST(the_next_one_answers)
{
	pid_t pid[3], old;
	unsigned k;

	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	for (unsigned i = 0; i < 3; i++) {
		atomic_store(&notifyrig->shut, true);
		k = atomic_load(&notifyrig->asked) + 1;
		for (unsigned c = 0; c < ARRAY_SIZE(pid); c++)
			pid[c] = notifyrig_child(notifyrig_ask, NULL);
		notifyrig_until(notifyrig_was_asked, &k);
		old = notify_supervisor(notifyrig_notify);
		ck_assert_int_eq(kill(old, SIGKILL), 0);
		atomic_store(&notifyrig->shut, false);
		for (unsigned c = 0; c < ARRAY_SIZE(pid); c++)
			ck_assert_int_eq(notifyrig_wait(pid[c]), 0);
		ck_assert_int_ne(notify_supervisor(notifyrig_notify), old);
	}
	ck_assert_uint_eq(atomic_load(&notifyrig->begun), 4);
	notifyrig_run(call_both, NULL);
	notifyrig_end();
}
END_TEST

static int until_flagged(void *arg)
{
	struct if_dqblk d;

	(void)arg;
	do {
		ck_assert(notifyrig_sysinfo_is_right());
		ck_assert_int_eq(notifyrig_quotactl(Q_GETQUOTA, 0, 5, &d), 0);
		atomic_fetch_add(&notifyrig->count, 1);
	} while (!atomic_load(&notifyrig->flag));
	return 0;
}

static bool has_counted(void *arg)
{
	return atomic_load(&notifyrig->count) >= *(unsigned *)arg;
}

/* Killed anywhere, under load: no caller sees it. */
START_TEST(kills_under_load)
{
	unsigned k;
	pid_t pid[4];

	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	for (unsigned i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = notifyrig_child(until_flagged, NULL);
	for (unsigned i = 0; i < 25; i++) {
		k = atomic_load(&notifyrig->count) + 25 + i * 7;
		notifyrig_until(has_counted, &k);
		if (notify_supervisor(notifyrig_notify))
			kill(notify_supervisor(notifyrig_notify), SIGKILL);
	}
	atomic_store(&notifyrig->flag, true);
	for (unsigned i = 0; i < ARRAY_SIZE(pid); i++)
		ck_assert_int_eq(notifyrig_wait(pid[i]), 0);
	ck_assert_uint_gt(atomic_load(&notifyrig->begun), 10);
	notifyrig_end();
}
END_TEST

static int ask_for_death(void *arg)
{
	struct if_dqinfo info;

	(void)arg;
	ck_assert_int_eq(notifyrig_quotactl(Q_GETINFO, 0, 0, &info), -EIO);
	atomic_store(&notifyrig->deadly, false);
	ck_assert_int_eq(notifyrig_quotactl(Q_GETINFO, 0, 0, &info), 0);
	return 0;
}

/* A call that each supervisor dies of is given up. */
START_TEST(a_deadly_call)
{
	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	atomic_store(&notifyrig->deadly, true);
	notifyrig_run(ask_for_death, NULL);
	ck_assert_uint_le(atomic_load(&notifyrig->begun), 8);
	notifyrig_run(call_both, NULL);
	notifyrig_end();
}
END_TEST

/* A monitor that is replaced finds its listeners, and what was under way. */
START_TEST(the_next_monitor)
{
	void *state = mmap(NULL, notify_state_size(), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct notify *old;
	unsigned one = 1;
	pid_t pid, supervisor;

	NOTIFYRIG_OR_SKIP();
	notify_free(notifyrig_notify);
	ck_assert_int_eq(notify_new(&notifyrig_notify, state), 0);
	notifyrig_begin();
	atomic_store(&notifyrig->shut, true);
	pid = notifyrig_child(notifyrig_ask, NULL);
	notifyrig_until(notifyrig_was_asked, &one);
	/* As if it were executed anew: its memory is gone. */
	old = notifyrig_notify;
	supervisor = notify_supervisor(old);
	ck_assert_int_eq(notify_new(&notifyrig_notify, state), 0);
	ck_assert_int_lt(kill(supervisor, 0), 0);
	ck_assert_uint_eq(notify_listeners(notifyrig_notify), 1);
	notifyrig_begin();
	atomic_store(&notifyrig->shut, false);
	ck_assert_int_eq(notifyrig_wait(pid), 0);
	notifyrig_end();
	free(old);
	munmap(state, notify_state_size());
}
END_TEST

/* Then the supervisor serves those that there are, and ends after them. */
static int call_after(void *arg)
{
	ck_assert(notifyrig_sysinfo_is_right());
	atomic_store(&notifyrig->flag, true);
	while (getppid() == *(pid_t *)arg)
		usleep(1000);
	ck_assert(notifyrig_sysinfo_is_right());
	return notifyrig_ask(NULL);
}

static void be_monitor(void)
{
	pid_t self = getpid();

	notifyrig_begin();
	atomic_store(&notifyrig->count,
		     (unsigned)notify_supervisor(notifyrig_notify));
	notifyrig_child(call_after, &self);
	while (!atomic_load(&notifyrig->flag))
		notify_serve(notifyrig_notify);
	raise(SIGKILL);
}

START_TEST(a_monitor_that_dies)
{
	int status, left = 2;
	pid_t monitor, pid;

	NOTIFYRIG_OR_SKIP();
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	monitor = fork();
	if (monitor == 0)
		be_monitor();
	/* A copy of its own would keep the supervisor waiting. */
	notify_free(notifyrig_notify);
	ck_assert_int_eq(waitpid(monitor, &status, 0), monitor);
	ck_assert(WIFSIGNALED(status));
	while (left-- > 0) {
		pid = waitpid(-1, &status, 0);
		ck_assert_int_gt(pid, 0);
		ck_assert_msg(status == 0, "%s ended with %x",
			      pid == (pid_t)atomic_load(&notifyrig->count)
				      ? "the supervisor"
				      : "the caller",
			      (unsigned)status);
	}
	notifyrig_notify = NULL;
	notifyrig_end();
}
END_TEST

/* It comes with the first call, and is replaced as any. */
static int call_nothing(void *arg)
{
	(void)arg;
	return getppid() > 0 ? 0 : 1;
}

START_TEST(the_first_one_when_called)
{
	pid_t first;

	NOTIFYRIG_OR_SKIP();
	notifyrig_config.lazy = true;
	notifyrig_begin();
	notifyrig_run(call_nothing, NULL);
	ck_assert_int_eq(notify_supervisor(notifyrig_notify), 0);
	notifyrig_run(notifyrig_ask, NULL);
	first = notify_supervisor(notifyrig_notify);
	ck_assert_int_gt(first, 0);
	kill(first, SIGKILL);
	notifyrig_run(notifyrig_ask, NULL);
	ck_assert_int_ne(notify_supervisor(notifyrig_notify), first);
	ck_assert_uint_eq(notifyrig->begun, 2);
	notifyrig_end();
}
END_TEST

Suite *test_notifydeath_suite(void)
{
	Suite *s = suite_create("notifydeath");
	TCase *c = tcase_create("notifydeath");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, the_next_one_answers);
	tcase_add_test(c, kills_under_load);
	tcase_add_test(c, a_deadly_call);
	tcase_add_test(c, the_next_monitor);
	tcase_add_test(c, a_monitor_that_dies);
	tcase_add_test(c, the_first_one_when_called);
	suite_add_tcase(s, c);
	return s;
}
