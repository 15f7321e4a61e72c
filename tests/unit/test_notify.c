/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ct: notify, notifyloop, notifyabi; notifyquota has a suite of its own */
#include "tools/ct/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "quota/limit.h"
#include "tests/unit/notifyrig.h"
#include "tests/unit/unit.h"
#include "tools/ct/notifycpus.h"
#include "tools/ct/notifyloop.h"

/* Structures. */

START_TEST(narrow_numbers)
{
	const struct notifyabi *abi = notifyabi_find(AUDIT_ARCH_I386);
	struct notifyabi_sysinfo s = notifyrig_sysinfo;
	unsigned char buf[NOTIFYABI_BYTES];
	uint32_t w[16];

	if (!abi) {
		unit_skip("another machine");
		return;
	}
	ck_assert_uint_eq(notifyabi_put_sysinfo(abi, &s, buf), 64);
	memcpy(w, buf, sizeof(w));
	ck_assert_uint_eq(w[0], 12345);
	ck_assert_uint_eq(w[1], 65536);
	ck_assert_uint_eq(w[4], 512u << 20);
	ck_assert_uint_eq(w[9], 63u << 20);
	ck_assert_uint_eq(w[10], 42);
	ck_assert_uint_eq(w[13], 1);
	/* What does not fit is in pages. */
	s.total_swap = 8ull << 30;
	s.procs = 70000;
	s.uptime = 1ll << 40;
	notifyabi_put_sysinfo(abi, &s, buf);
	memcpy(w, buf, sizeof(w));
	ck_assert_uint_eq(w[0], INT32_MAX);
	ck_assert_uint_eq(w[4], 512u << 8);
	ck_assert_uint_eq(w[8], 8u << 18);
	ck_assert_uint_eq(w[10], 65535);
	ck_assert_uint_eq(w[13], 4096);
	s.total_ram = UINT64_MAX;
	notifyabi_put_sysinfo(abi, &s, buf);
	memcpy(w, buf, sizeof(w));
	ck_assert_uint_eq(w[4], UINT32_MAX);
}
END_TEST

START_TEST(narrow_state)
{
	const struct notifyabi *abi = notifyabi_find(AUDIT_ARCH_I386);
	struct fs_quota_stat s = { .qs_version = 1,
				   .qs_flags = 0xf,
				   .qs_btimelimit = 77,
				   .qs_itimelimit = 78,
				   .qs_iwarnlimit = 9 };
	unsigned char buf[NOTIFYABI_BYTES];
	uint32_t word;

	if (!abi) {
		unit_skip("another machine");
		return;
	}
	s.qs_gquota.qfs_nextents = 5;
	ck_assert_uint_eq(notifyabi_put_state(abi, &s, buf), 68);
	ck_assert_uint_eq(buf[0], 1);
	ck_assert_uint_eq(buf[2], 0xf);
	memcpy(&word, buf + 44, 4);
	ck_assert_uint_eq(word, 5);
	memcpy(&word, buf + 52, 4);
	ck_assert_uint_eq(word, 77);
	memcpy(&word, buf + 56, 4);
	ck_assert_uint_eq(word, 78);
	ck_assert_uint_eq(buf[66], 9);
	ck_assert_uint_eq(notifyabi_dqblk_size(abi), 68);
	ck_assert_ptr_null(notifyabi_find(0));
	ck_assert_int_eq(notifyabi_call(abi, 131), NOTIFYABI_QUOTACTL);
	ck_assert_int_eq(notifyabi_call(abi, 99), NOTIFYABI_NONE);
}
END_TEST

/* sysinfo */

static int call_sysinfo(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 100; i++)
		ck_assert(notifyrig_sysinfo_is_right());
	errno = 0;
	ck_assert(sysinfo(NULL) == -1 && errno == EFAULT);
	ck_assert(sysinfo((void *)-4096l) == -1 && errno == EFAULT);
	ck_assert(sysinfo((void *)0x7fffffffffffffffl) == -1 &&
		  errno == EFAULT);
	ck_assert(sysinfo((void *)0x1000) == -1 && errno == EFAULT);
	atomic_store(&notifyrig->sysinfo_fails, -ENOMEM);
	ck_assert(sysinfo((void *)&arg) == -1 && errno == ENOMEM);
	atomic_store(&notifyrig->sysinfo_fails, 0);
	ck_assert(notifyrig_sysinfo_is_right());
	return 0;
}

START_TEST(sysinfo_of_64_bits)
{
	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	notifyrig_run(call_sysinfo, NULL);
	notifyrig_end();
}
END_TEST

static int call_sysinfo_32(void *arg)
{
	uint32_t *w = notifyrig_low(4096);

	(void)arg;
	memset(w, 0xff, 128);
	ck_assert_int_eq(notifyrig_call32(116, (long)w, 0, 0, 0), 0);
	ck_assert_uint_eq(w[0], 12345);
	ck_assert_uint_eq(w[4], 512u << 20);
	ck_assert_uint_eq(w[16], UINT32_MAX);
	ck_assert_int_eq(notifyrig_call32(116, 0, 0, 0, 0), -EFAULT);
	ck_assert(notifyrig_sysinfo_is_right());
	return 0;
}

START_TEST(sysinfo_of_32_bits)
{
	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	if (notifyrig_has_32())
		notifyrig_run(call_sysinfo_32, NULL);
	else
		unit_skip("no 32-bit calls");
	notifyrig_end();
}
END_TEST

/* sched_getaffinity */

START_TEST(processors_are_cut)
{
	unsigned char m[4] = { 0xa0, 0x00, 0xff, 0x01 };

	notifycpus_cut(m, sizeof(m), 11);
	ck_assert_mem_eq(m, "\xa0\x00\xff\x01", 4);
	notifycpus_cut(m, sizeof(m), 5);
	ck_assert_mem_eq(m, "\xa0\x00\x07\x00", 4);
	notifycpus_cut(m, sizeof(m), 1);
	ck_assert_mem_eq(m, "\x20\x00\x00\x00", 4);
	notifycpus_cut(m, sizeof(m), 0);
	ck_assert_mem_eq(m, "\x00\x00\x00\x00", 4);
}
END_TEST

static long affinity(long pid, size_t len, void *mask)
{
	long r = syscall(SYS_sched_getaffinity, pid, len, mask);

	return r < 0 ? -errno : r;
}

static int call_affinity(void *arg)
{
	cpu_set_t own, all;
	long len;

	(void)arg;
	memset(&own, 0, sizeof(own));
	memset(&all, 0, sizeof(all));
	/* another's is the kernel's matter */
	len = affinity(getppid(), sizeof(all), &all);
	ck_assert_int_gt(len, 0);
	ck_assert_int_eq(affinity(0, sizeof(own), &own), len);
	ck_assert_mem_eq(&own, &all, sizeof(own));
	atomic_store(&notifyrig->cpus, 1);
	ck_assert_int_eq(affinity(0, sizeof(own), &own), len);
	ck_assert_int_eq(CPU_COUNT(&own), 1);
	ck_assert_int_eq(affinity(getpid(), sizeof(own), &own), len);
	ck_assert_int_eq(CPU_COUNT(&own), 1);
	CPU_AND(&all, &all, &own);
	ck_assert_int_eq(CPU_COUNT(&all), 1);
	ck_assert_int_eq(affinity(getppid(), sizeof(own), &own), len);
	ck_assert_int_eq(affinity(0, 0, &own), -EINVAL);
	ck_assert_int_eq(affinity(0, 9, &own), -EINVAL);
	ck_assert_int_eq(affinity(0, sizeof(own), NULL), -EFAULT);
	ck_assert_int_eq(affinity(0x7ffffff0, sizeof(own), &own), -ESRCH);
	ck_assert_int_eq(affinity(0, 1 << 20, notifyrig_low(1 << 20)), len);
	return 0;
}

static int call_affinity_32(void *arg)
{
	uint32_t *w = notifyrig_low(4096);

	(void)arg;
	memset(w, 0, 128);
	atomic_store(&notifyrig->cpus, 1);
	ck_assert_int_gt(notifyrig_call32(242, 0, 128, (long)w, 0), 0);
	ck_assert_int_eq(__builtin_popcount(w[0]), 1);
	ck_assert_int_eq(notifyrig_call32(242, 0, 3, (long)w, 0), -EINVAL);
	return 0;
}

START_TEST(processors)
{
	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	notifyrig_run(call_affinity, NULL);
	if (notifyrig_has_32())
		notifyrig_run(call_affinity_32, NULL);
	notifyrig_end();
}
END_TEST

/* The features that are wanted, no others. */
static int call_only_sysinfo(void *arg)
{
	int fd;

	(void)arg;
	fd = notify_install(NOTIFY_SYSINFO, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(notify_send(notify_sender(notifyrig_notify), fd), 0);
	close(fd);
	ck_assert(notifyrig_sysinfo_is_right());
	ck_assert_int_lt(notifyrig_quotactl(Q_GETINFO, 0, 0, &fd), 0);
	ck_assert_uint_eq(atomic_load(&notifyrig->asked), 0);
	return 0;
}

START_TEST(one_feature)
{
	pid_t pid;

	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	pid = fork();
	if (pid == 0)
		_exit(call_only_sysinfo(NULL));
	ck_assert_int_eq(notifyrig_wait(pid), 0);
	notifyrig_end();
}
END_TEST

static int install_again(void *arg)
{
	struct why why = { "" };

	(void)arg;
	ck_assert_int_eq(notify_install(NOTIFY_SYSINFO, &why), -EBUSY);
	ck_assert_ptr_nonnull(strstr(why.text, "turn the features off"));
	ck_assert(notifyrig_sysinfo_is_right());
	return 0;
}

START_TEST(a_second_listener)
{
	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	notifyrig_run(install_again, NULL);
	notifyrig_end();
}
END_TEST

/* Threads and many processes. */

static void *many_calls(void *arg)
{
	struct if_dqinfo info;

	(void)arg;
	for (unsigned i = 0; i < 200; i++) {
		ck_assert(notifyrig_sysinfo_is_right());
		ck_assert_int_eq(notifyrig_quotactl(Q_GETINFO, 0, 0, &info), 0);
		ck_assert_uint_eq(info.dqi_bgrace, LIMIT_GRACE_DEFAULT);
	}
	return NULL;
}

static int flood(void *arg)
{
	pthread_t t[8];

	(void)arg;
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, many_calls, NULL),
				 0);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	return 0;
}

static bool has_listeners(void *arg)
{
	return notify_listeners(notifyrig_notify) == *(unsigned *)arg;
}

START_TEST(floods)
{
	unsigned none = 0;
	pid_t pids[10];
	size_t fds;

	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	fds = unit_count_fds();
	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = notifyrig_child(flood, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++)
		ck_assert_int_eq(notifyrig_wait(pids[i]), 0);
	/* Who is gone leaves nothing. */
	notifyrig_until(has_listeners, &none);
	ck_assert_uint_eq(unit_count_fds(), fds);
	ck_assert_uint_eq(atomic_load(&notifyrig->begun), 1);
	notifyrig_end();
}
END_TEST

/* Whoever waits for the quota's daemon keeps nobody else waiting. */
START_TEST(a_quota_that_does_not_answer)
{
	unsigned once = 1;
	pid_t pid;

	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	atomic_store(&notifyrig->shut, true);
	pid = notifyrig_child(notifyrig_ask, NULL);
	notifyrig_until(notifyrig_was_asked, &once);
	notifyrig_run(call_sysinfo, NULL);
	atomic_store(&notifyrig->shut, false);
	ck_assert_int_eq(notifyrig_wait(pid), 0);
	notifyrig_end();
}
END_TEST

static void *wait_or_be_refused(void *arg)
{
	struct if_dqinfo info;
	int r = notifyrig_quotactl(Q_GETINFO, 0, 0, &info);

	(void)arg;
	ck_assert(r == 0 || r == -EBUSY);
	if (r == -EBUSY) {
		atomic_fetch_add(&notifyrig->count, 1);
		atomic_store(&notifyrig->shut, false);
	}
	return NULL;
}

/* More than can be remembered at once: some are told so. */
static int too_many_at_once(void *arg)
{
	pthread_t t[NOTIFYLOOP_SLOTS + 40];

	(void)arg;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, wait_or_be_refused,
						NULL),
				 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	return 0;
}

START_TEST(too_many)
{
	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	atomic_store(&notifyrig->shut, true);
	notifyrig_run(too_many_at_once, NULL);
	ck_assert_uint_gt(atomic_load(&notifyrig->count), 0);
	notifyrig_run(call_sysinfo, NULL);
	notifyrig_end();
}
END_TEST

START_TEST(callers_that_die)
{
	unsigned k = 1, none = 0;
	pid_t pid;

	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	for (unsigned i = 0; i < 20; i++) {
		atomic_store(&notifyrig->shut, true);
		k = atomic_load(&notifyrig->asked) + 1;
		pid = notifyrig_child(notifyrig_ask, NULL);
		notifyrig_until(notifyrig_was_asked, &k);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(notifyrig_wait(pid), -SIGKILL);
		atomic_store(&notifyrig->shut, false);
		notifyrig_run(notifyrig_ask, NULL);
	}
	notifyrig_until(has_listeners, &none);
	ck_assert_uint_eq(atomic_load(&notifyrig->begun), 1);
	notifyrig_end();
}
END_TEST

/* Whatever is sent instead of a listener. */
START_TEST(no_listeners)
{
	int sock, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t fds;

	NOTIFYRIG_OR_SKIP();
	notifyrig_begin();
	sock = notify_sender(notifyrig_notify);
	fds = unit_count_fds();
	ck_assert_int_eq(notify_send(sock, fd), 0);
	ck_assert_int_eq(send(sock, "more than a letter", 18, 0), 18);
	ck_assert_int_eq(notifyloop_send(sock, fd, "xyz", 3, 0), 0);
	ck_assert_int_eq(send(sock, "L", 1, 0), 1);
	notifyrig_run(call_sysinfo, NULL);
	ck_assert_int_eq(notify_add(notifyrig_notify, dup(fd)), -EBADF);
	ck_assert_uint_le(notify_listeners(notifyrig_notify), 1);
	ck_assert_uint_le(unit_count_fds(), fds + 1);
	close(fd);
	notifyrig_end();
}
END_TEST

Suite *test_notify_suite(void)
{
	Suite *s = suite_create("notify");
	TCase *c = tcase_create("notify");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, narrow_numbers);
	tcase_add_test(c, narrow_state);
	tcase_add_test(c, sysinfo_of_64_bits);
	tcase_add_test(c, sysinfo_of_32_bits);
	tcase_add_test(c, processors_are_cut);
	tcase_add_test(c, processors);
	tcase_add_test(c, one_feature);
	tcase_add_test(c, a_second_listener);
	tcase_add_test(c, floods);
	tcase_add_test(c, a_quota_that_does_not_answer);
	tcase_add_test(c, too_many);
	tcase_add_test(c, callers_that_die);
	tcase_add_test(c, no_listeners);
	suite_add_tcase(s, c);
	return s;
}
