/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "fs/windowsum.h"
#include "tests/unit/unit.h"

#define MIB (1ull << 20)

START_TEST(pause_follows_the_room)
{
	ck_assert_uint_eq(windowsum_pause(0), WINDOWSUM_PAUSE_MIN);
	ck_assert_uint_eq(windowsum_pause(UINT64_MAX), WINDOWSUM_PAUSE_MAX);
	/* By the next look no more than half of it is gone. */
	for (uint64_t room = 32 * MIB; room < 16384 * MIB; room *= 2) {
		uint64_t ns = windowsum_pause(room);

		ck_assert_uint_le(WINDOWSUM_RATE / CLOCK_S * ns, room / 2);
	}
}
END_TEST

START_TEST(near_is_left_later_than_entered)
{
	ck_assert_uint_eq(windowsum_near(64 * MIB, 0, false), 64 * MIB);
	ck_assert_uint_eq(windowsum_near(64 * MIB, 0, true), 80 * MIB);
	/* A look that takes long begins early. */
	ck_assert_uint_ge(windowsum_near(64 * MIB, 100 * CLOCK_MS, false),
			  WINDOWSUM_RATE / 5);
}
END_TEST

static uint64_t wants(uint64_t size, uint64_t off, uint64_t count, bool append)
{
	const struct windowsum_write w = { .size = size,
					   .off = off,
					   .count = count,
					   .block = 4096,
					   .append = append };

	return windowsum_wants(&w);
}

START_TEST(wants_what_lies_beyond_the_end)
{
	static const struct {
		uint64_t size, off, count, wants;
	} t[] = {
		{ 0, 0, 0, 0 },
		{ 0, 0, 1, 4096 },
		{ 0, 0, 4096, 4096 },
		{ 100, 0, 4096, 0 }, /* the rest of its last block */
		{ 4096, 0, 4096, 0 },
		{ 4096, 0, 8192, 4096 },
		{ 4096, 4096, 4096, 4096 },
		{ 5000, 4096, 8192, 4096 },
		{ 4096, 40960, 4096, 4096 }, /* a hole between */
		{ 4096, 41000, 8192, 12288 },
		{ 1 << 20, 0, 1 << 20, 0 },
		{ 0, UINT64_MAX - 5, 100, 0 }, /* beyond what a file may be */
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++)
		ck_assert_msg(wants(t[i].size, t[i].off, t[i].count, false) ==
				      t[i].wants,
			      "case %u", i);
}
END_TEST

START_TEST(appends_wherever_it_says)
{
	ck_assert_uint_eq(wants(10 * MIB, 0, MIB, true), MIB);
	ck_assert_uint_eq(wants(10 * MIB, 20 * MIB, MIB, true), MIB);
	ck_assert_uint_eq(wants(100, 0, 4096, true), 4096);
	ck_assert_uint_eq(wants(0, 0, 1, true), 4096);
}
END_TEST

START_TEST(done_when_the_size_says_so)
{
	struct windowsum_write w = { .size = 0, .count = 8192, .block = 4096 };

	/* The last page may be written in part. */
	ck_assert_uint_eq(windowsum_done(&w), 4097);
	w.count = 100;
	ck_assert_uint_eq(windowsum_done(&w), 0);
	w = (struct windowsum_write){
		.size = 5000, .count = 12288, .block = 4096, .append = true
	};
	ck_assert_uint_eq(windowsum_done(&w), 5000 + 12288 - 8191);
}
END_TEST

START_TEST(knows_who_reads)
{
	char line[80];

	snprintf(line, sizeof(line), "%d 0x5 0x0 0x1000 0x0 0x0", SYS_pread64);
	ck_assert(windowsum_is_read(line));
	snprintf(line, sizeof(line), "%d 0x5 0x0 0x1000 0x0 0x0", SYS_write);
	ck_assert(!windowsum_is_read(line));
	snprintf(line, sizeof(line), "%d 0x5", SYS_io_uring_enter);
	ck_assert(!windowsum_is_read(line));
	ck_assert(!windowsum_is_read("running\n"));
	ck_assert(!windowsum_is_read("-1 0x7ff 0x7ff"));
	ck_assert(!windowsum_is_read(""));
	ck_assert(!windowsum_reads(0));
}
END_TEST

/* Another process, while it waits. */
START_TEST(asks_the_kernel)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int fds[2], tries = 0;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(fds[1]);
		_exit((int)read(fds[0], &c, 1));
	}
	while (!windowsum_reads(pid) && tries++ < 10000)
		nanosleep(&pause, NULL);
	ck_assert(windowsum_reads(pid));
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

Suite *test_windowsum_suite(void)
{
	Suite *s = suite_create("windowsum");
	TCase *c = tcase_create("windowsum");

	tcase_add_test(c, pause_follows_the_room);
	tcase_add_test(c, near_is_left_later_than_entered);
	tcase_add_test(c, wants_what_lies_beyond_the_end);
	tcase_add_test(c, appends_wherever_it_says);
	tcase_add_test(c, done_when_the_size_says_so);
	tcase_add_test(c, knows_who_reads);
	tcase_add_test(c, asks_the_kernel);
	suite_add_tcase(s, c);
	return s;
}
