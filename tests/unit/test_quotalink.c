/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs: quotalink, with an odd worker */
#include "fs/quotalink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/control.h"
#include "tests/unit/unit.h"

static dev_t dev;
static int listener;
static uint64_t ino;
static pthread_t server;
static char heard[256]; /* requests, a line each */

static void set_up(void)
{
	static char root[UNIT_PATH_MAX];
	struct stat st;

	close(unit_tmpdir(root));
	ck_assert_int_eq(setenv("VEFS_ROOT", root, 1), 0);
	ck_assert_int_eq(stat(root, &st), 0);
	dev = st.st_dev;
	heard[0] = '\0';
}

/* What it says to one request after the other; "" hangs up, NULL is the end. */
static void *say(void *arg)
{
	const char *const *lines = arg;
	char request[CONTROL_LINE];
	size_t len;
	int fd = -1;

	for (; *lines; lines++) {
		struct pollfd p = { .fd = listener, .events = POLLIN };
		int r;

		if (fd < 0) {
			ck_assert_int_eq(poll(&p, 1, 20000), 1);
			fd = control_accept(listener, 10000, request);
			ck_assert_int_ge(fd, 0);
			ck_assert_str_eq(request, "session");
			ck_assert_int_eq(send(fd, "ok\n. 0\n", 7, 0), 7);
		}
		r = control_read(fd, request);
		ck_assert_int_eq(r, 0);
		len = strlen(heard);
		snprintf(heard + len, sizeof(heard) - len, "%.32s\n", request);
		if (**lines)
			send(fd, *lines, strlen(*lines), MSG_NOSIGNAL);
		else
			close(fd);
		fd = **lines ? fd : -1;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void serve(const char *const *lines)
{
	if (!listener)
		listener = control_listen(dev, CONTROL_QUOTA, &ino);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(pthread_create(&server, NULL, say, (void *)lines), 0);
}

static void served(void)
{
	ck_assert_int_eq(pthread_join(server, NULL), 0);
}

START_TEST(asked)
{
	static const char *const lines[] = { "ok\nrecord 1\nrecord 2\n. 0\n",
					     "ok\n. 0\n",
					     "error: no such thing\n. 2\n",
					     "ok\n. x\nmore\n. 0\n", NULL };
	struct quotalink *l;
	char answer[64];
	size_t fds;

	set_up();
	serve(lines);
	fds = unit_count_fds();
	l = quotalink_new(dev, 10000);
	ck_assert_int_eq(quotalink_ask(l, "a b", answer, sizeof(answer)), 0);
	ck_assert_str_eq(answer, "record 1\nrecord 2\n");
	ck_assert_int_eq(quotalink_ask(l, "c", answer, sizeof(answer)), 0);
	ck_assert_str_eq(answer, "");
	snprintf(answer, sizeof(answer), "as it was");
	ck_assert_int_eq(quotalink_ask(l, "d", answer, sizeof(answer)),
			 -ENOENT);
	ck_assert_str_eq(answer, "as it was");
	ck_assert_int_eq(quotalink_ask(l, "e", answer, sizeof(answer)), 0);
	ck_assert_str_eq(answer, ". x\nmore\n");
	served();
	ck_assert_str_eq(heard, "a b\nc\nd\ne\n");
	quotalink_free(l);
	ck_assert_uint_eq(unit_count_fds(), fds);
	close(listener);
}
END_TEST

START_TEST(workers_that_die)
{
	static const char *const lines[] = {
		"", "", "ok\nA\n. 0\n", "", "ok\nB\n. 0\n", NULL
	};
	struct quotalink *l;
	char answer[64];

	set_up();
	serve(lines);
	l = quotalink_new(dev, 20000);
	ck_assert_int_eq(quotalink_ask(l, "one", answer, sizeof(answer)), 0);
	ck_assert_str_eq(answer, "A\n");
	ck_assert_int_eq(quotalink_ask(l, "two", answer, sizeof(answer)), 0);
	ck_assert_str_eq(answer, "B\n");
	served();
	ck_assert_str_eq(heard, "one\none\none\ntwo\ntwo\n");
	quotalink_free(l);
	close(listener);
}
END_TEST

START_TEST(nonsense)
{
	static const char *const lines[] = { ". 0\n",
					     "what\n. 0\n",
					     "ok\n. 99999999\n",
					     "ok\n. 5\n",
					     "error: x\n. 0\n",
					     "\n. 0\n",
					     "ok\nA\n. 0\n",
					     NULL };
	struct quotalink *l;
	char answer[64];

	set_up();
	l = quotalink_new(dev, 10000);
	ck_assert_int_eq(quotalink_ask(l, "x", answer, sizeof(answer)), -ENXIO);
	for (unsigned i = 0; lines[i + 1]; i++) {
		const char *const one[] = { lines[i], NULL };

		unit_row(lines[i]);
		serve(one);
		ck_assert_int_eq(quotalink_ask(l, "x", answer, sizeof(answer)),
				 -EIO);
		served();
	}
	serve(lines + 6);
	ck_assert_int_eq(quotalink_ask(l, "x", answer, sizeof(answer)), 0);
	served();
	quotalink_free(l);
	close(listener);
}
END_TEST

START_TEST(sizes)
{
	static char big[3000] = "ok\n", request[2 * CONTROL_LINE];
	const char *const lines[] = { big, NULL };
	struct quotalink *l;
	char answer[64];

	set_up();
	memset(big + 3, 'x', 2000);
	memcpy(big + 2003, "\n. 0\n", 6);
	l = quotalink_new(dev, 10000);
	serve(lines);
	ck_assert_int_eq(quotalink_ask(l, "x", answer, sizeof(answer)),
			 -EMSGSIZE);
	served();
	/* Room for all that is asked for, less would be too little. */
	memcpy(big + 3 + 62, "\n. 0\n", 6);
	serve(lines);
	ck_assert_int_eq(quotalink_ask(l, "x", answer, 63), -EMSGSIZE);
	ck_assert_int_eq(pthread_join(server, NULL), 0);
	quotalink_free(l);
	l = quotalink_new(dev, 10000);
	serve(lines);
	ck_assert_int_eq(quotalink_ask(l, "x", answer, 64), 0);
	ck_assert_uint_eq(strlen(answer), 63);
	served();
	memset(request, 'x', sizeof(request) - 1);
	ck_assert_int_eq(quotalink_ask(l, request, answer, 64), -ENAMETOOLONG);
	quotalink_free(l);
	close(listener);
}
END_TEST

static void *only_accept(void *arg)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	char request[CONTROL_LINE];

	(void)arg;
	ck_assert_int_eq(poll(&p, 1, 20000), 1);
	return (void *)(intptr_t)control_accept(listener, 10000, request);
}

/* It ends; when, says the caller. */
START_TEST(no_answer)
{
	struct quotalink *l;
	char answer[64];
	void *fd;

	set_up();
	listener = control_listen(dev, CONTROL_QUOTA, &ino);
	ck_assert_int_ge(listener, 0);
	l = quotalink_new(dev, 100);
	/* Nobody accepts. */
	ck_assert_int_eq(quotalink_ask(l, "x", answer, sizeof(answer)), -EIO);
	ck_assert_int_eq(pthread_create(&server, NULL, only_accept, NULL), 0);
	ck_assert_int_eq(quotalink_ask(l, "x", answer, sizeof(answer)), -EIO);
	ck_assert_int_eq(pthread_join(server, &fd), 0);
	close((int)(intptr_t)fd);
	quotalink_free(l);
	close(listener);
	/* The name of a dead one. */
	l = quotalink_new(dev, 100);
	ck_assert_int_eq(quotalink_ask(l, "x", answer, sizeof(answer)), -ENXIO);
	quotalink_free(l);
	quotalink_free(NULL);
}
END_TEST

Suite *test_quotalink_suite(void)
{
	Suite *s = suite_create("quotalink");
	TCase *c = tcase_create("quotalink");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, asked);
	tcase_add_test(c, workers_that_die);
	tcase_add_test(c, nonsense);
	tcase_add_test(c, sizes);
	tcase_add_test(c, no_answer);
	suite_add_tcase(s, c);
	return s;
}
