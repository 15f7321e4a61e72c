/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tests/unit/unit.h"

/* Asking goes by the folder's device number: all are of that one. */
static char root[UNIT_PATH_MAX], name[2 * UNIT_PATH_MAX];
static dev_t dev;
static int listener;
static uint64_t ino;

static void set_up(void)
{
	struct stat st;
	int fd = unit_tmpdir(root);

	close(fd);
	ck_assert_int_eq(setenv("VEFS_ROOT", root, 1), 0);
	ck_assert_int_eq(stat(root, &st), 0);
	dev = st.st_dev;
	snprintf(name, sizeof(name), "%s/run/%u-%u", root, major(dev),
		 minor(dev));
}

static void listen_there(void)
{
	set_up();
	listener = control_listen(dev, CONTROL_KEEPER, &ino);
	ck_assert_int_ge(listener, 0);
}

static void wait_for_client(void)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, 20000), 1);
}

/* Answer one client with what it said; the result of control_accept(). */
static void *serve_one(void *arg)
{
	char line[CONTROL_LINE];
	intptr_t r;
	int fd;

	(void)arg;
	wait_for_client();
	fd = control_accept(listener, 200, line);
	r = fd < 0 ? fd : 0;
	if (fd >= 0) {
		control_answer(fd, line);
		close(fd);
	}
	return (void *)r;
}

static pthread_t server;

static void serve(void)
{
	ck_assert_int_eq(pthread_create(&server, NULL, serve_one, NULL), 0);
}

static int served(void)
{
	void *r;

	ck_assert_int_eq(pthread_join(server, &r), 0);
	return (int)(intptr_t)r;
}

/* A client without manners. */
static int connect_there(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_uint_lt(strlen(name), sizeof(a.sun_path));
	memcpy(a.sun_path, name, strlen(name) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

START_TEST(asked_and_answered)
{
	char answer[CONTROL_LINE] = "";
	size_t fds;
	struct stat st;

	listen_there();
	ck_assert_int_eq(fcntl(listener, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(stat(name, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_uint_eq(st.st_ino, ino);
	fds = unit_count_fds();
	for (unsigned n = 0; n < 5; n++) {
		serve();
		ck_assert_int_eq(control_ask(root, "upgrade /a b/c", answer),
				 0);
		ck_assert_int_eq(served(), 0);
		ck_assert_str_eq(answer, "upgrade /a b/c");
	}
	ck_assert_uint_eq(unit_count_fds(), fds);
	control_unlink(dev, CONTROL_KEEPER, ino);
	ck_assert_int_lt(access(name, F_OK), 0);
	close(listener);
}
END_TEST

START_TEST(nobody_listens)
{
	char answer[CONTROL_LINE];
	size_t fds;

	set_up();
	fds = unit_count_fds();
	ck_assert_int_eq(control_ask(root, "x", answer), -ENXIO);
	ck_assert_int_eq(control_ask("/nowhere/at/all", "x", answer), -ENOENT);
	listen_there();
	close(listener);
	ck_assert_int_eq(access(name, F_OK), 0);
	ck_assert_msg(control_ask(root, "x", answer) == -ENXIO,
		      "the name of a dead one");
	ck_assert_uint_eq(unit_count_fds(), fds);
	/* Which the next one replaces. */
	listener = control_listen(dev, CONTROL_KEEPER, &ino);
	ck_assert_int_ge(listener, 0);
	serve();
	ck_assert_int_eq(control_ask(root, "x", answer), 0);
	ck_assert_int_eq(served(), 0);
	close(listener);
}
END_TEST

START_TEST(only_its_own_name_is_taken_away)
{
	char old[sizeof(name) + 8];
	uint64_t first, second;
	int other;

	listen_there();
	first = ino;
	/* So that the next one has another number. */
	snprintf(old, sizeof(old), "%s.old", name);
	ck_assert_int_eq(rename(name, old), 0);
	other = control_listen(dev, CONTROL_KEEPER, &second);
	ck_assert_int_ge(other, 0);
	ck_assert_uint_ne(first, second);
	control_unlink(dev, CONTROL_KEEPER, first);
	ck_assert_int_eq(access(name, F_OK), 0);
	control_unlink(dev, CONTROL_KEEPER, second);
	ck_assert_int_lt(access(name, F_OK), 0);
	control_unlink(dev, CONTROL_KEEPER, second);
	close(other);
	close(listener);
}
END_TEST

START_TEST(no_place_to_listen)
{
	size_t fds;
	char deep[2 * UNIT_PATH_MAX];

	set_up();
	fds = unit_count_fds();
	memset(deep, 'x', sizeof(deep));
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	setenv("VEFS_ROOT", deep, 1);
	ck_assert_int_eq(control_listen(dev, CONTROL_KEEPER, &ino),
			 -ENAMETOOLONG);
	control_unlink(dev, CONTROL_KEEPER, 1);
	setenv("VEFS_ROOT", "/nowhere/at/all", 1);
	ck_assert_int_eq(control_listen(dev, CONTROL_KEEPER, &ino), -ENOENT);
	setenv("VEFS_ROOT", "/dev/null", 1);
	ck_assert_int_eq(control_listen(dev, CONTROL_KEEPER, &ino), -ENOTDIR);
	/* What cannot be removed is in the way. */
	setenv("VEFS_ROOT", root, 1);
	snprintf(deep, sizeof(deep), "%s/run", root);
	ck_assert_int_eq(mkdir(deep, 0755), 0);
	ck_assert_int_eq(mkdir(name, 0755), 0);
	ck_assert_int_eq(control_listen(dev, CONTROL_KEEPER, &ino),
			 -EADDRINUSE);
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(lines_that_are_too_long)
{
	static char big[2 * CONTROL_LINE];
	char answer[CONTROL_LINE];
	int fd;

	listen_there();
	memset(big, 'x', sizeof(big) - 1);
	ck_assert_int_eq(control_ask(root, big, answer), -ENAMETOOLONG);
	wait_for_client(); /* it was there already, and said nothing */
	ck_assert_int_eq(control_accept(listener, 200, answer), -ECONNRESET);

	fd = connect_there();
	ck_assert_int_eq(send(fd, big, sizeof(big) - 1, MSG_NOSIGNAL),
			 (int)sizeof(big) - 1);
	ck_assert_int_eq(control_accept(listener, 200, answer), -EMSGSIZE);
	close(fd);

	/* The longest that fits. */
	big[CONTROL_LINE - 2] = '\0';
	serve();
	ck_assert_int_eq(control_ask(root, big, answer), 0);
	ck_assert_int_eq(served(), 0);
	ck_assert_uint_eq(strlen(answer), 4000);
	close(listener);
}
END_TEST

START_TEST(lines_in_pieces)
{
	char line[CONTROL_LINE];
	int fd, got;

	listen_there();
	fd = connect_there();
	ck_assert_int_eq(send(fd, "up", 2, 0), 2);
	ck_assert_int_eq(send(fd, "grade\nmore", 10, 0), 10);
	got = control_accept(listener, 200, line);
	ck_assert_int_ge(got, 0);
	ck_assert_str_eq(line, "upgrade");
	close(got);
	close(fd);

	fd = connect_there();
	ck_assert_int_eq(send(fd, "no newline", 10, 0), 10);
	shutdown(fd, SHUT_WR);
	got = control_accept(listener, 200, line);
	ck_assert_int_ge(got, 0);
	ck_assert_str_eq(line, "no newline");
	/* Whoever asked is gone: no signal, no harm. */
	close(fd);
	control_answer(got, "ok");
	close(got);

	fd = connect_there();
	close(fd);
	ck_assert_int_eq(control_accept(listener, 200, line), -ECONNRESET);
	ck_assert_int_eq(control_accept(listener, 200, line), -EAGAIN);
	close(listener);
}
END_TEST

/* It is not waited for until it says something: this comes to its end. */
START_TEST(a_client_that_says_nothing)
{
	char line[CONTROL_LINE];
	size_t fds;
	int fd;

	listen_there();
	fd = connect_there();
	fds = unit_count_fds();
	ck_assert_int_eq(control_accept(listener, 200, line), -EAGAIN);
	ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_uint_eq(unit_count_fds(), fds);
	close(fd);
	close(listener);
}
END_TEST

/* Where the name's own permissions would let them through. */
START_TEST(another_user)
{
	char line[CONTROL_LINE];
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		unit_skip("needs root");
		return;
	}
	listen_there();
	ck_assert_int_eq(chmod(name, 0666), 0);
	snprintf(line, sizeof(line), "%s/..", root);
	ck_assert_int_eq(chmod(line, 0755), 0);
	pid = fork();
	if (pid == 0) {
		if (setgid(12345) || setuid(12345))
			_exit(2);
		/* It has no right to be asked, and says so by its silence. */
		_exit(control_ask(root, "x", line) < 0 ? 0 : 1);
	}
	wait_for_client();
	ck_assert_int_eq(control_accept(listener, 200, line), -EPERM);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(listener);
}
END_TEST

/* Someone may die before there is an answer. */
START_TEST(an_answer_that_never_comes)
{
	char answer[CONTROL_LINE];
	int status;
	pid_t pid;

	listen_there();
	pid = fork();
	if (pid == 0) {
		wait_for_client();
		_exit(control_accept(listener, 200, answer) < 0);
	}
	ck_assert_int_eq(control_ask(root, "x", answer), -ECONNRESET);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(listener);
}
END_TEST

Suite *test_control_suite(void)
{
	Suite *s = suite_create("control");
	TCase *c = tcase_create("control");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, asked_and_answered);
	tcase_add_test(c, nobody_listens);
	tcase_add_test(c, only_its_own_name_is_taken_away);
	tcase_add_test(c, no_place_to_listen);
	tcase_add_test(c, lines_that_are_too_long);
	tcase_add_test(c, lines_in_pieces);
	tcase_add_test(c, a_client_that_says_nothing);
	tcase_add_test(c, another_user);
	tcase_add_test(c, an_answer_that_never_comes);
	suite_add_tcase(s, c);
	return s;
}
