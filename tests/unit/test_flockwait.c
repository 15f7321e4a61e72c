/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/flockwait.h"

/* The directory once more: another holder of locks on it. */
static int again(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(asks_once)
{
	_cleanup_close_ int held = unit_tmpdir(NULL), fd = again(held);

	ck_assert_int_eq(flockwait(fd, LOCK_EX, 0), 0);
	ck_assert_int_eq(flockwait(held, LOCK_SH, 0), -EBUSY);
	ck_assert_int_eq(flock(fd, LOCK_UN), 0);
	ck_assert_int_eq(flockwait(held, LOCK_SH, 0), 0);
	ck_assert_int_eq(flockwait(fd, LOCK_SH, 0), 0);
	ck_assert_int_eq(flockwait(fd, LOCK_EX, 0), -EBUSY);
	ck_assert_int_eq(flockwait(-1, LOCK_EX, 0), -EBADF);
}
END_TEST

/* Until another's end, which closes it. */
START_TEST(waits_for_the_end)
{
	const struct timespec pause = { .tv_nsec = 50 * (long)CLOCK_MS };
	int held = unit_tmpdir(NULL), status;
	_cleanup_close_ int fd = again(held);
	pid_t pid;

	ck_assert_int_eq(flock(held, LOCK_EX), 0);
	pid = fork();
	if (pid == 0) {
		nanosleep(&pause, NULL);
		_exit(0);
	}
	close(held);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(flockwait(fd, LOCK_EX, 0), -EBUSY);
	ck_assert_int_eq(flockwait(fd, LOCK_EX, 60000), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

START_TEST(gives_up)
{
	_cleanup_close_ int held = unit_tmpdir(NULL), fd = again(held);
	uint64_t began = clock_now();

	ck_assert_int_eq(flock(held, LOCK_SH), 0);
	ck_assert_int_eq(flockwait(fd, LOCK_EX, 30), -EBUSY);
	ck_assert_uint_ge(clock_now() - began, 30 * CLOCK_MS);
	/* What was not had is not half had. */
	ck_assert_int_eq(flock(held, LOCK_EX | LOCK_NB), 0);
}
END_TEST

Suite *test_flockwait_suite(void)
{
	Suite *s = suite_create("flockwait");
	TCase *t = tcase_create("flockwait");

	tcase_add_test(t, asks_once);
	tcase_add_test(t, waits_for_the_end);
	tcase_add_test(t, gives_up);
	suite_add_tcase(s, t);
	return s;
}
