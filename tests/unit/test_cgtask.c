/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cgroup: what becomes of processes in the groups. */
#include "tests/unit/ctgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ct/cgrouppriv.h"
#include "tools/ct/devprog.h"
#include "tools/ct/knob.h"

static void sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
			      .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

START_TEST(processes_are_brought_everywhere)
{
	struct why why = { "" };
	struct cgroup *g;
	pid_t pid;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	pid = ctgroup_start(NULL, ctgroup_sleep, NULL);
	ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 0);
	ck_assert_int_eq(cgroup_attach(g, CGROUP_PAYLOAD, pid, &why), 0);
	ck_assert_uint_eq(ctgroup_places(pid, "payload"), g->hiers.n);
	ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 1);
	ck_assert_int_eq(cgroup_attach(g, CGROUP_DAEMON, pid, &why), 0);
	ck_assert_uint_eq(ctgroup_places(pid, "daemon"), g->hiers.n);
	ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 0);
	ck_assert_int_eq(cgroup_processes(g, CGROUP_DAEMON), 1);
	ctgroup_end(pid);
	ck_assert_int_eq(cgroup_attach(g, CGROUP_PAYLOAD, pid, &why), -ESRCH);
	ck_assert_str_ne(why.text, "");
	ctgroup_remove(g);
}
END_TEST

START_TEST(a_process_enters_itself)
{
	struct cgroup *g;
	pid_t pid;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	pid = ctgroup_start(g, ctgroup_sleep, NULL);
	ck_assert_uint_eq(ctgroup_places(pid, "payload"), g->hiers.n);
	ctgroup_end(pid);
	ctgroup_remove(g);
}
END_TEST

/* A cpuset without CPUs takes nobody: the hierarchies before are left again. */
START_TEST(brought_in_everywhere_or_nowhere)
{
	char before[4096], after[4096], path[256];
	struct why why = { "" };
	struct cgroup *g;
	pid_t pid;
	int i;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	i = hier_of(&g->hiers, HIER_CPUSET);
	if (i < 0 || g->hiers.h[i].version != 1) {
		unit_skip("no v1 cpuset controller, which could refuse");
		ctgroup_remove(g);
		return;
	}
	ck_assert_int_eq(cgroup_path(g, "cpuset", CGROUP_PAYLOAD, path, 200),
			 0);
	snprintf(path + strlen(path), 50, "/cpuset.cpus");
	ck_assert_int_eq(knob_write(AT_FDCWD, path, ""), 0);
	pid = ctgroup_start(NULL, ctgroup_sleep, NULL);
	ctgroup_places_of(pid, before);
	ck_assert_int_eq(cgroup_attach(g, CGROUP_PAYLOAD, pid, &why), -ENOSPC);
	ctgroup_places_of(pid, after);
	ck_assert_str_eq(after, before);
	ctgroup_end(pid);
	ctgroup_remove(g);
}
END_TEST

START_TEST(a_payload_with_processes_is_not_removed)
{
	static const char *const controllers[] = { "", "cpu", "memory",
						   "pids" };
	struct why why = { "" };
	struct cgroup *g;
	char path[256];
	struct stat st;
	pid_t pid, daemon;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	pid = ctgroup_start(g, ctgroup_sleep, NULL);
	daemon = ctgroup_start(NULL, ctgroup_sleep, NULL);
	ck_assert_int_eq(cgroup_attach(g, CGROUP_DAEMON, daemon, &why), 0);
	ck_assert_int_eq(cgroup_remove(g, &why), -EBUSY);
	ck_assert_str_ne(why.text, "");
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (!cgroup_path(g, controllers[i], CGROUP_DAEMON, path,
				 sizeof(path)))
			ck_assert_msg(!stat(path, &st), "%s", path);
	ck_assert_uint_eq(ctgroup_places(pid, "payload"), g->hiers.n);
	ck_assert_uint_eq(ctgroup_places(daemon, "daemon"), g->hiers.n);
	ctgroup_end(pid);
	/* the daemon lives on, elsewhere */
	ctgroup_remove(g);
	ck_assert_int_eq(kill(daemon, 0), 0);
	ck_assert_uint_eq(ctgroup_places(daemon, "daemon"), 0);
	ctgroup_end(daemon);
}
END_TEST

/* v2: the container's group has controllers for its own, and no processes. */
START_TEST(a_divided_payload_takes_processes_beside)
{
	struct why why = { "" };
	char text[256];
	struct cgroup *g;
	pid_t inside, first, second;
	char path[64];
	int u;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	u = cgroup_unified(g);
	if (u < 0 ||
	    knob_read(u, "cgroup.controllers", text, sizeof(text)) < 0 ||
	    !strstr(text, "pids")) {
		unit_skip("no controllers in the unified hierarchy");
		ctgroup_remove(g);
		return;
	}
	inside = ctgroup_start(g, ctgroup_sleep, NULL);
	ck_assert_int_eq(mkdirat(u, "init", 0755), 0);
	snprintf(path, sizeof(path), "%d", inside);
	ck_assert_int_eq(knob_write(u, "init/cgroup.procs", path), 0);
	ck_assert_int_eq(knob_write(u, "cgroup.subtree_control", "+pids"), 0);
	first = ctgroup_start(NULL, ctgroup_sleep, NULL);
	ck_assert_int_eq(cgroup_attach(g, CGROUP_PAYLOAD, first, &why), 0);
	/* whose container has divided that too */
	ck_assert_int_eq(mkdirat(u, "entered/x", 0755), 0);
	snprintf(path, sizeof(path), "%d", first);
	ck_assert_int_eq(knob_write(u, "entered/x/cgroup.procs", path), 0);
	ck_assert_int_eq(
		knob_write(u, "entered/cgroup.subtree_control", "+pids"), 0);
	second = ctgroup_start(g, ctgroup_sleep, NULL);
	ck_assert_uint_eq(ctgroup_places(second, "payload"), g->hiers.n);
	ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 3);
	ck_assert_int_eq(cgroup_remove(g, &why), -EBUSY);
	ck_assert_int_eq(cgroup_kill(g, CGROUP_PAYLOAD, 20000, &why), 0);
	ctgroup_wait(inside);
	ctgroup_wait(first);
	ctgroup_wait(second);
	ctgroup_remove(g);
}
END_TEST

/* ---- freezing and killing ------------------------------------------------- */

static _Atomic unsigned *counter;

static void make_counter(void)
{
	void *p = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(p != MAP_FAILED);
	counter = p;
}

static void count_up(void *arg _unused_)
{
	ctgroup_ready();
	for (;;) {
		atomic_fetch_add(counter, 1);
		sleep_ms(1);
	}
}

static void wait_for_more(void)
{
	unsigned now = atomic_load(counter);

	for (int i = 0; i < 10000 && atomic_load(counter) == now; i++)
		sleep_ms(1);
	ck_assert_uint_ne(atomic_load(counter), now);
}

static bool has_freezer(struct cgroup *g, const char *test)
{
	if (cgroup_freeze(g, false, NULL) != -EOPNOTSUPP)
		return true;
	unit_skip_test(test, "no freezer");
	ctgroup_remove(g);
	return false;
}

START_TEST(frozen_processes_stand_still)
{
	struct why why = { "" };
	struct cgroup *g;
	unsigned at;
	pid_t pid;

	if (!ctgroup_possible(__func__))
		return;
	make_counter();
	g = ctgroup_make(0);
	if (!has_freezer(g, __func__))
		return;
	pid = ctgroup_start(g, count_up, NULL);
	wait_for_more();
	ck_assert(!cgroup_is_frozen(g));
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(cgroup_freeze(g, true, &why), 0);
		ck_assert(cgroup_is_frozen(g));
		at = atomic_load(counter);
		sleep_ms(50);
		ck_assert_uint_eq(atomic_load(counter), at);
		ck_assert_int_eq(cgroup_freeze(g, true, &why), 0);
		ck_assert_int_eq(cgroup_freeze(g, false, &why), 0);
		ck_assert(!cgroup_is_frozen(g));
		wait_for_more();
	}
	ctgroup_end(pid);
	ctgroup_remove(g);
}
END_TEST

/* A process that has others made all the time. */
static void fork_on(void *arg _unused_)
{
	signal(SIGCHLD, SIG_IGN);
	ctgroup_ready();
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			sleep_ms(20);
			for (;;)
				if (fork() > 0)
					pause();
		}
		sleep_ms(5);
	}
}

START_TEST(all_are_killed)
{
	struct spec_limits l = { .given = 0 };
	struct why why = { "" };
	struct cgroup *g;
	pid_t pid;

	if (!ctgroup_possible(__func__))
		return;
	for (int frozen = 0; frozen < 2; frozen++) {
		g = ctgroup_make(0);
		if (!has_freezer(g, __func__))
			return;
		spec_give(&l, SPEC_NUMPROC, 60);
		ck_assert_int_eq(cgroup_set(g, &l, 0, &why), 0);
		pid = ctgroup_start(g, fork_on, NULL);
		sleep_ms(100);
		if (frozen)
			ck_assert_int_eq(cgroup_freeze(g, true, &why), 0);
		ck_assert_int_gt(cgroup_processes(g, CGROUP_PAYLOAD), 0);
		ck_assert_int_eq(cgroup_kill(g, CGROUP_PAYLOAD, 20000, &why),
				 0);
		ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), 0);
		ck_assert_int_eq(ctgroup_wait(pid), -1);
		ck_assert_int_eq(cgroup_kill(g, CGROUP_PAYLOAD, 1, &why), 0);
		ctgroup_remove(g);
	}
}
END_TEST

/* ---- what processes may --------------------------------------------------- */

/* Exits with 0 when just as many came to be as may. */
static void fork_to_the_limit(void *arg)
{
	int may = *(const int *)arg;
	int n = 1;

	ctgroup_ready();
	for (; n <= may; n++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (!pid) {
			pause();
			_exit(0);
		}
	}
	_exit(errno == EAGAIN && n == may ? 0 : n);
}

START_TEST(no_more_processes_than_allowed)
{
	struct spec_limits l = { .given = 0 };
	struct why why = { "" };
	struct cgroup_usage u;
	struct cgroup *g;
	int may = 7;
	pid_t pid;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	spec_give(&l, SPEC_NUMPROC, (uint64_t)may);
	if (cgroup_set(g, &l, 0, &why) == -EOPNOTSUPP) {
		unit_skip("no pids controller");
		ctgroup_remove(g);
		return;
	}
	pid = ctgroup_start(g, fork_to_the_limit, &may);
	ck_assert_int_eq(ctgroup_wait(pid), 0);
	cgroup_usage(g, &u);
	ck_assert_uint_eq(u.processes, (uint64_t)may - 1);
	ck_assert_int_eq(cgroup_processes(g, CGROUP_PAYLOAD), may - 1);
	ck_assert_int_eq(cgroup_kill(g, CGROUP_PAYLOAD, 20000, &why), 0);
	ctgroup_remove(g);
}
END_TEST

static char device_dir[UNIT_PATH_MAX];

/* What happens with a device there, as bits. */
enum { READ = 1, WRITE = 2, MKNOD = 4 };

struct attempt {
	const char *file;
	unsigned major, minor;
	int got;
};

static void try_device(void *arg)
{
	const struct attempt *a = arg;
	int fd, got = 0;

	ctgroup_ready();
	if (chdir(device_dir))
		_exit(99);
	unlink("new");
	fd = open(a->file, O_RDONLY | O_NONBLOCK);
	got |= fd >= 0 ? READ : errno != EPERM ? 64 : 0;
	fd = open(a->file, O_WRONLY | O_NONBLOCK);
	got |= fd >= 0 ? WRITE : errno != EPERM ? 64 : 0;
	if (!mknod("new", S_IFCHR | 0600, makedev(a->major, a->minor)))
		got |= MKNOD;
	else if (errno != EPERM)
		got |= 64;
	_exit(got);
}

static int attempt(struct cgroup *g, const char *file, unsigned major,
		   unsigned minor)
{
	struct attempt a = { file, major, minor, 0 };

	return ctgroup_wait(ctgroup_start(g, try_device, &a));
}

#define KMSG 11

static void prepare_devices(void)
{
	close(unit_tmpdir(device_dir));
	ck_assert_int_eq(chdir(device_dir), 0);
	ck_assert_int_eq(mknod("null", S_IFCHR | 0666, makedev(1, 3)), 0);
	ck_assert_int_eq(mknod("kmsg", S_IFCHR | 0666, makedev(1, KMSG)), 0);
}

START_TEST(only_listed_devices)
{
	struct spec_device kmsg = { "kmsg", 'c', 1, KMSG, true, false };
	struct why why = { "" };
	struct cgroup *g;
	int r;

	if (!ctgroup_possible(__func__))
		return;
	prepare_devices();
	g = ctgroup_make(0);
	if (attempt(g, "kmsg", 1, KMSG) != 7) {
		unit_skip("device nodes cannot be opened here");
		ctgroup_remove(g);
		return;
	}
	r = cgroup_devices(g, &kmsg, 0, &why);
	if (r == -EOPNOTSUPP || r == -EPERM) {
		unit_skip(why.text);
		ctgroup_remove(g);
		return;
	}
	ck_assert_msg(r == 0, "%d %s", r, why.text);
	/* live, there and back */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(attempt(g, "null", 1, 3), 7);
		ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), 0);
		ck_assert_int_eq(cgroup_devices(g, &kmsg, 1, &why), 0);
		ck_assert_int_eq(attempt(g, "null", 1, 3), 7);
		ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), READ | MKNOD);
		kmsg.write = true;
		ck_assert_int_eq(cgroup_devices(g, &kmsg, 1, &why), 0);
		ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), 7);
		kmsg.write = false;
		ck_assert_int_eq(cgroup_devices(g, &kmsg, 1, &why), 0);
		ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), READ | MKNOD);
		ck_assert_int_eq(cgroup_devices(g, NULL, 0, &why), 0);
		ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), 7);
		ck_assert_int_eq(cgroup_devices(g, NULL, 0, &why), 0);
		ck_assert_int_eq(cgroup_devices(g, &kmsg, 0, &why), 0);
	}
	ctgroup_remove(g);
}
END_TEST

/* Where v1 has devices too both decide; ours is told from others by name. */
START_TEST(a_program_decides)
{
	struct devprog_rule rules[] = {
		{ 'c', 1, 3, DEVPROG_ALL },
		{ 'c', 1, KMSG, DEVPROG_READ },
	};
	struct cgroup *g;
	int r, u;

	if (!ctgroup_possible(__func__))
		return;
	prepare_devices();
	g = ctgroup_make(0);
	u = cgroup_unified(g);
	r = u < 0 ? -EOPNOTSUPP : devprog_attach(u, rules, 2);
	if (r == -EOPNOTSUPP || r == -EPERM ||
	    (r == 0 && attempt(g, "null", 1, 3) != 7)) {
		unit_skip("no programs for devices here");
		ctgroup_remove(g);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), READ);
	for (int i = 0; i < 100; i++) {
		rules[1].access = DEVPROG_MKNOD;
		ck_assert_int_eq(devprog_attach(u, rules, 2), 0);
	}
	ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), MKNOD);
	ck_assert_int_eq(devprog_attach(u, rules, 1), 0);
	ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), 0);
	ck_assert_int_eq(devprog_detach(u), 0);
	ck_assert_int_eq(attempt(g, "kmsg", 1, KMSG), 7);
	ck_assert_int_eq(devprog_detach(u), 0);
	ctgroup_remove(g);
}
END_TEST

static void use_cpu(void *arg _unused_)
{
	struct timespec t, start;

	ctgroup_ready();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while ((t.tv_sec - start.tv_sec) * 1000000000 + t.tv_nsec -
		       start.tv_nsec <
	       50000000);
}

START_TEST(usage_is_told)
{
	struct cgroup_usage u;
	struct cgroup *g;
	pid_t pid;

	if (!ctgroup_possible(__func__))
		return;
	g = ctgroup_make(0);
	pid = ctgroup_start(g, use_cpu, NULL);
	ck_assert_int_eq(ctgroup_wait(pid), 0);
	cgroup_usage(g, &u);
	ck_assert_uint_ge(u.cpu, 40000000);
	pid = ctgroup_start(g, ctgroup_sleep, NULL);
	cgroup_usage(g, &u);
	if (hier_of(&g->hiers, HIER_MEMORY) >= 0) {
		ck_assert_uint_gt(u.ram, 0);
		ck_assert_uint_lt(u.ram, 1u << 30);
		ck_assert_uint_eq(u.ram_max, SPEC_UNLIMITED);
		ck_assert_uint_eq(u.oom_kills, 0);
	}
	if (hier_of(&g->hiers, HIER_PIDS) >= 0) {
		ck_assert_uint_eq(u.processes, 1);
		ck_assert_uint_eq(u.processes_max, SPEC_UNLIMITED);
	}
	ctgroup_end(pid);
	ctgroup_remove(g);
}
END_TEST

Suite *test_cgtask_suite(void)
{
	Suite *s = suite_create("cgtask");
	TCase *t = tcase_create("cgtask");

	tcase_add_unchecked_fixture(t, ctgroup_begin, ctgroup_finish);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, processes_are_brought_everywhere);
	tcase_add_test(t, a_process_enters_itself);
	tcase_add_test(t, brought_in_everywhere_or_nowhere);
	tcase_add_test(t, a_payload_with_processes_is_not_removed);
	tcase_add_test(t, a_divided_payload_takes_processes_beside);
	tcase_add_test(t, frozen_processes_stand_still);
	tcase_add_test(t, all_are_killed);
	tcase_add_test(t, no_more_processes_than_allowed);
	tcase_add_test(t, only_listed_devices);
	tcase_add_test(t, a_program_decides);
	tcase_add_test(t, usage_is_told);
	suite_add_tcase(s, t);
	return s;
}
