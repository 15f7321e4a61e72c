/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cgroup: processes that are born in the groups, and leave them. */
#include "tests/unit/ctgroup.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/ct/cgrouppriv.h"

/* Where it is: by its exit status, what went wrong; ends when told by `go`. */
static pid_t bear(struct cgroup *g, int part, int ready, int go)
{
	pid_t pid = cgroup_fork(g, part, 0);
	char c;

	if (pid)
		return pid;
	if (part >= 0 && cgroup_enter(g, (enum cgroup_part)part, NULL) < 0)
		_exit(1);
	if (write(ready, "", 1) != 1 || read(go, &c, 1) != 1)
		_exit(2);
	if (cgroup_leave(g, NULL) < 0)
		_exit(3);
	if (write(ready, "", 1) != 1 || read(go, &c, 1) != 1)
		_exit(2);
	_exit(getpid() == (pid_t)syscall(SYS_gettid) ? 0 : 4);
}

START_TEST(born_in_a_group)
{
	int ready[2], go[2];
	struct cgroup *g;
	char c;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	ck_assert(pipe(ready) == 0 && pipe(go) == 0);
	for (int part = CGROUP_PAYLOAD; part <= CGROUP_DAEMON; part++) {
		const char *name = cgrouppriv_part((enum cgroup_part)part);
		pid_t pid = bear(g, part, ready[1], go[0]);

		ck_assert_int_gt(pid, 0);
		ck_assert_int_eq(read(ready[0], &c, 1), 1);
		ck_assert_uint_eq(ctgroup_places(pid, name), g->hiers.n);
		ck_assert_int_eq(write(go[1], "", 1), 1);
		ck_assert_int_eq(read(ready[0], &c, 1), 1);
		ck_assert_uint_eq(ctgroup_places(pid, name), 0);
		ck_assert_int_eq(write(go[1], "", 1), 1);
		ck_assert_int_eq(ctgroup_wait(pid), 0);
	}
	/* who is in it has a child that is not */
	if (cgroup_unified(g) >= 0) {
		pid_t pid = bear(g, -1, ready[1], go[0]);

		ck_assert_int_eq(read(ready[0], &c, 1), 1);
		ck_assert_uint_eq(ctgroup_places(pid, "daemon"), 0);
		ck_assert_int_eq(write(go[1], "xx", 2), 2);
		ck_assert_int_eq(ctgroup_wait(pid), 0);
	}
	ctgroup_remove(g);
}
END_TEST

START_TEST(waiting_for_the_end)
{
	struct cgroup *g;
	pid_t pid;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	ck_assert_int_eq(cgroup_wait(g, CGROUP_DAEMON, 0), 0);
	pid = ctgroup_start(g, ctgroup_sleep, NULL);
	ck_assert_int_eq(cgroup_wait(g, CGROUP_DAEMON, 0), 0);
	ck_assert_int_eq(cgroup_wait(g, CGROUP_PAYLOAD, 1), -ETIMEDOUT);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(cgroup_wait(g, CGROUP_PAYLOAD, 20000), 0);
	ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 0);
	ctgroup_end(pid);
	ctgroup_remove(g);
}
END_TEST

Suite *test_cgborn_suite(void)
{
	Suite *s = suite_create("cgborn");
	TCase *t = tcase_create("cgborn");

	tcase_add_unchecked_fixture(t, ctgroup_begin, ctgroup_finish);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, born_in_a_group);
	tcase_add_test(t, waiting_for_the_end);
	suite_add_tcase(s, t);
	return s;
}
