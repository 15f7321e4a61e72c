/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/state.h"
#include "tests/unit/unit.h"

static char dir[UNIT_PATH_MAX], program[UNIT_PATH_MAX + 16], why[1024];

static void set_up(void)
{
	close(unit_tmpdir(dir));
	snprintf(program, sizeof(program), "%s/program", dir);
	why[0] = '\0';
}

/* A program that is a script with this body. */
static void write_program(const char *body, mode_t mode)
{
	FILE *f = fopen(program, "we");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "#!/bin/sh\n%s\n", body);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(program, mode), 0);
}

static int check(void)
{
	size_t fds = unit_count_fds();
	int r = upgrade_check(program, why, sizeof(why)), status;

	ck_assert_uint_eq(unit_count_fds(), fds);
	ck_assert_msg(waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD,
		      "a process is left");
	return r;
}

/* The body of one that knows only the layout `n`. */
static const char *knows(uint32_t n, char buf[256])
{
	snprintf(buf, 256, "[ \"$*\" = '--layout-is %u' ] && exit %d\nexit %d",
		 n, UPGRADE_FITS, UPGRADE_FITS_NOT);
	return buf;
}

START_TEST(one_that_fits)
{
	char body[256];

	set_up();
	write_program(knows(state_layout(), body), 0755);
	ck_assert_int_eq(check(), 0);
	ck_assert_str_eq(why, "");
}
END_TEST

START_TEST(one_with_other_tables)
{
	char body[256];

	set_up();
	write_program(knows(state_layout() + 1, body), 0755);
	ck_assert_int_eq(check(), -EPROTO);
	ck_assert_ptr_nonnull(strstr(why, program));
	ck_assert_ptr_nonnull(strstr(why, "another layout"));
	ck_assert_ptr_nonnull(strstr(why, "unmount and mount again"));
}
END_TEST

START_TEST(others)
{
	static const struct {
		const char *body;
		mode_t mode;
		int result;
		const char *why;
	} rows[] = {
		{ "exit 0", 0755, -ENOEXEC, "is not this program" },
		{ "exit 1", 0755, -ENOEXEC, "is not this program" },
		{ "echo hello; exit 3", 0755, -ENOEXEC, "is not this program" },
		{ "kill -KILL $$", 0755, -ENOEXEC, "is not this program" },
		{ "exit 0", 0644, -EACCES, "Permission denied" },
	};

	set_up();
	for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
		unit_row(rows[k].body);
		write_program(rows[k].body, rows[k].mode);
		ck_assert_int_eq(check(), rows[k].result);
		ck_assert_msg(strstr(why, program) == why, "%s", why);
		ck_assert_msg(strstr(why, rows[k].why) != NULL, "%s", why);
	}
}
END_TEST

START_TEST(what_is_no_program)
{
	FILE *f;

	set_up();
	ck_assert_int_eq(check(), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "No such file or directory"));
	f = fopen(program, "we");
	ck_assert_ptr_nonnull(f);
	fputs("neither fish nor fowl", f);
	fclose(f);
	chmod(program, 0755);
	ck_assert_int_eq(check(), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(why, "is not this program"));
	unlink(program);
	ck_assert_int_eq(mkdir(program, 0755), 0);
	ck_assert_int_eq(check(), -EACCES);
}
END_TEST

/* It is waited for, but not for ever: this comes to its end. */
START_TEST(one_that_hangs)
{
	set_up();
	write_program("exec sleep 1000", 0755);
	ck_assert_int_eq(check(), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(why, "is not this program"));
}
END_TEST

/* A keeper blocks most signals; what it starts must not. */
START_TEST(it_is_started_with_no_signal_blocked)
{
	sigset_t all;
	char body[256];

	set_up();
	snprintf(body, sizeof(body),
		 "grep -q '^SigBlk:.*[1-9a-f]$' /proc/self/status || exit %d",
		 UPGRADE_FITS);
	write_program(body, 0755);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	ck_assert_int_eq(check(), 0);
}
END_TEST

START_TEST(a_small_buffer)
{
	set_up();
	ck_assert_int_eq(upgrade_check(program, why, 8), -ENOENT);
	ck_assert_uint_eq(strlen(why), 7);
}
END_TEST

START_TEST(being_asked)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", state_layout());
	ck_assert_int_eq(upgrade_answer(text), UPGRADE_FITS);
	ck_assert_int_ne(UPGRADE_FITS, UPGRADE_FITS_NOT);
	ck_assert_msg(UPGRADE_FITS > 2 && UPGRADE_FITS_NOT > 2,
		      "a status that any program may have");
	snprintf(text, sizeof(text), "%u", state_layout() + 1);
	ck_assert_int_eq(upgrade_answer(text), UPGRADE_FITS_NOT);
	ck_assert_int_eq(upgrade_answer(""), UPGRADE_FITS_NOT);
	ck_assert_int_eq(upgrade_answer("hello"), UPGRADE_FITS_NOT);
	snprintf(text, sizeof(text), "%u ", state_layout());
	ck_assert_int_eq(upgrade_answer(text), UPGRADE_FITS_NOT);
}
END_TEST

START_TEST(taking_over)
{
	unsetenv(UPGRADE_ENV);
	ck_assert_int_eq(upgrade_resumes(), -1);
	setenv(UPGRADE_ENV, "17", 1);
	ck_assert_int_eq(upgrade_resumes(), 17);
	setenv(UPGRADE_ENV, "-3", 1);
	ck_assert_int_eq(upgrade_resumes(), -1);
	setenv(UPGRADE_ENV, "", 1);
	ck_assert_int_eq(upgrade_resumes(), -1);
	setenv(UPGRADE_ENV, "99999999999", 1);
	ck_assert_int_eq(upgrade_resumes(), -1);
}
END_TEST

START_TEST(descriptors_go_over)
{
	char body[256];
	char *const argv[] = { program, (char *)"a", (char *)"b c", NULL };
	int fd, status;
	pid_t pid;

	set_up();
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	snprintf(body, sizeof(body),
		 "[ -e /proc/self/fd/%d ] && [ \"$%s\" = %d ] && "
		 "[ \"$1,$2,$#\" = 'a,b c,2' ] && exit 5",
		 fd, UPGRADE_ENV, fd);
	write_program(body, 0755);
	pid = fork();
	if (pid == 0) {
		upgrade_exec(program, argv, fd);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 5);
}
END_TEST

START_TEST(a_failed_takeover_changes_nothing)
{
	char *const argv[] = { program, NULL };
	int fd;

	set_up();
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(upgrade_exec(program, argv, fd), -ENOENT);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(0, F_GETFD), 0);
	ck_assert_ptr_null(getenv(UPGRADE_ENV));
	ck_assert_int_eq(upgrade_resumes(), -1);
}
END_TEST

/* What there is cannot be listed: the next program would have lost it. */
START_TEST(no_takeover_without_a_descriptor)
{
	char *const argv[] = { program, NULL };
	struct rlimit was, none;
	int fd, r;

	set_up();
	write_program("exit 5", 0755);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = (rlim_t)fd + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = upgrade_exec(program, argv, fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_int_eq(r, -EMFILE);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

Suite *test_upgrade_suite(void)
{
	Suite *s = suite_create("upgrade");
	TCase *c = tcase_create("upgrade");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, one_that_fits);
	tcase_add_test(c, one_with_other_tables);
	tcase_add_test(c, others);
	tcase_add_test(c, what_is_no_program);
	tcase_add_test(c, one_that_hangs);
	tcase_add_test(c, it_is_started_with_no_signal_blocked);
	tcase_add_test(c, a_small_buffer);
	tcase_add_test(c, being_asked);
	tcase_add_test(c, taking_over);
	tcase_add_test(c, descriptors_go_over);
	tcase_add_test(c, a_failed_takeover_changes_nothing);
	tcase_add_test(c, no_takeover_without_a_descriptor);
	suite_add_tcase(s, c);
	return s;
}
