/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/crash.h"

START_TEST(every_point_has_a_name_of_its_own)
{
	for (unsigned i = 0; i < CRASH_MAX; i++) {
		ck_assert_ptr_nonnull(crash_name((enum crash_where)i));
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(crash_name((enum crash_where)i),
					 crash_name((enum crash_where)k));
	}
	ck_assert_str_eq(crash_name(CRASH_SLOT_EXEC), "SLOT_EXEC");
	ck_assert_str_eq(crash_name(CRASH_RECOVER_READY), "RECOVER_READY");
	ck_assert_ptr_null(crash_name(CRASH_MAX));
}
END_TEST

static struct crash_control *control;

static void make_control(uint32_t magic, size_t size)
{
	char path[UNIT_PATH_MAX], file[UNIT_PATH_MAX + 16];
	_cleanup_close_ int dir = unit_tmpdir(path), fd = -1;

	snprintf(file, sizeof(file), "%s/control", path);
	fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	/* the test looks at it whole, whatever its size is said to be */
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(control, MAP_FAILED);
	control->magic = magic;
	control->size = sizeof(*control);
	control->points = CRASH_MAX;
	ck_assert_int_eq(setenv("VEFS_CRASH", file, 1), 0);
}

/* In a process of its own: what did it end with? Signals as 128 + number. */
static int end_of(void (*run)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		run();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

#ifdef VEFS_CRASH

#define KILLED (128 + SIGKILL)

static uint64_t hits(enum crash_where where, unsigned opcode)
{
	return atomic_load(&control->hits[where][opcode]);
}

static void arm(enum crash_where where, uint32_t opcode, uint32_t countdown)
{
	atomic_store(&control->armed, crash_arm_word(where, opcode, countdown));
}

static void come_by(void)
{
	crash_setup();
	crash_operation(9);
	CRASH_POINT(SLOT_EXEC);
	CRASH_POINT(SLOT_DONE);
	crash_operation(0);
	CRASH_POINT(SLOT_DONE);
	crash_operation(4096);
	CRASH_POINT(SLOT_DONE);
	CRASH_POINT(SLOT_DONE);
}

START_TEST(hits_are_counted_by_operation)
{
	make_control(CRASH_MAGIC, sizeof(*control));
	ck_assert_int_eq(end_of(come_by), 0);
	ck_assert_uint_eq(hits(CRASH_SLOT_EXEC, 9), 1);
	ck_assert_uint_eq(hits(CRASH_SLOT_DONE, 9), 1);
	ck_assert_uint_eq(hits(CRASH_SLOT_DONE, 0), 1);
	ck_assert_uint_eq(hits(CRASH_SLOT_DONE, CRASH_OPCODES - 1), 2);
	ck_assert_uint_eq(atomic_load(&control->fired), 0);
}
END_TEST

static const struct {
	enum crash_where where;
	unsigned opcode, countdown;
	int end;
	unsigned hits; /* of SLOT_DONE, all operations */
} armings[] = {
	{ CRASH_SLOT_EXEC, 0, 0, KILLED, 0 },
	{ CRASH_SLOT_EXEC, 9, 0, KILLED, 0 },
	{ CRASH_SLOT_EXEC, 8, 0, 0, 4 },
	{ CRASH_SLOT_EXEC, 9, 1, 0, 4 },
	{ CRASH_SLOT_DONE, 9, 0, KILLED, 1 },
	{ CRASH_SLOT_DONE, 0, 0, KILLED, 1 },
	{ CRASH_SLOT_DONE, 0, 1, KILLED, 2 },
	{ CRASH_SLOT_DONE, 0, 3, KILLED, 4 },
	{ CRASH_SLOT_DONE, 0, 4, 0, 4 },
	{ CRASH_SLOT_DONE, CRASH_OPCODES - 1, 1, KILLED, 4 },
	{ CRASH_SLOT_DONE, CRASH_NO_OPCODE, 0, KILLED, 2 },
	{ CRASH_SLOT_DONE, CRASH_NO_OPCODE, 1, 0, 4 },
	{ CRASH_SLOT_SENT, 0, 0, 0, 4 },
};

START_TEST(the_armed_one_kills)
{
	char row[64];

	for (size_t i = 0; i < ARRAY_SIZE(armings); i++) {
		bool dies = armings[i].end == KILLED;
		unsigned n = 0;

		snprintf(row, sizeof(row), "%zu", i);
		unit_row(row);
		make_control(CRASH_MAGIC, sizeof(*control));
		arm(armings[i].where, armings[i].opcode, armings[i].countdown);
		ck_assert_int_eq(end_of(come_by), armings[i].end);
		for (unsigned k = 0; k < CRASH_OPCODES; k++)
			n += hits(CRASH_SLOT_DONE, k);
		ck_assert_uint_eq(n, armings[i].hits);
		ck_assert_uint_eq(atomic_load(&control->fired), dies);
		/* disarmed: the next process lives */
		if (dies) {
			ck_assert_uint_eq(atomic_load(&control->armed), 0);
			ck_assert_int_eq(end_of(come_by), 0);
		}
	}
}
END_TEST

static void *thread(void *arg)
{
	for (int i = 0; i < 1000; i++)
		CRASH_POINT(SLOT_DONE);
	return arg;
}

static void many_come_by(void)
{
	pthread_t t[4];

	crash_setup();
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (pthread_create(&t[i], NULL, thread, NULL))
			return;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
}

START_TEST(one_thread_fires)
{
	for (unsigned i = 0; i < 50; i++) {
		make_control(CRASH_MAGIC, sizeof(*control));
		arm(CRASH_SLOT_DONE, 0, i * 40);
		ck_assert_int_eq(end_of(many_come_by), KILLED);
		ck_assert_uint_eq(atomic_load(&control->fired), 1);
		ck_assert_uint_eq(
			atomic_load(&control->deaths[CRASH_SLOT_DONE][0]), 1);
		ck_assert_uint_gt(hits(CRASH_SLOT_DONE, 0), i * 40);
	}
}
END_TEST

START_TEST(another_file_is_refused)
{
	make_control(CRASH_MAGIC + 1, sizeof(*control));
	arm(CRASH_SLOT_EXEC, 0, 0);
	ck_assert_int_eq(end_of(come_by), 0);
	make_control(CRASH_MAGIC, sizeof(*control) + 8);
	arm(CRASH_SLOT_EXEC, 0, 0);
	ck_assert_int_eq(end_of(come_by), 0);
	ck_assert_int_eq(setenv("VEFS_CRASH", "/nonexistent/control", 1), 0);
	ck_assert_int_eq(end_of(come_by), 0);
	ck_assert_int_eq(unsetenv("VEFS_CRASH"), 0);
	ck_assert_int_eq(end_of(come_by), 0);
}
END_TEST

static void add_firing(TCase *c)
{
	tcase_add_test(c, hits_are_counted_by_operation);
	tcase_add_test(c, the_armed_one_kills);
	tcase_add_test(c, one_thread_fires);
	tcase_add_test(c, another_file_is_refused);
}

#else

static void come_by(void)
{
	crash_setup();
	crash_operation(9);
	CRASH_POINT(SLOT_EXEC);
}

START_TEST(a_build_without_points_has_none)
{
	make_control(CRASH_MAGIC, sizeof(*control));
	atomic_store(&control->armed, crash_arm_word(CRASH_SLOT_EXEC, 0, 0));
	ck_assert_int_eq(end_of(come_by), 0);
	ck_assert_uint_eq(atomic_load(&control->hits[CRASH_SLOT_EXEC][9]), 0);
}
END_TEST

static void add_firing(TCase *c)
{
	tcase_add_test(c, a_build_without_points_has_none);
}

#endif

Suite *test_crash_suite(void)
{
	Suite *s = suite_create("crash");
	TCase *c = tcase_create("crash");

	tcase_add_test(c, every_point_has_a_name_of_its_own);
	add_firing(c);
	suite_add_tcase(s, c);
	return s;
}
