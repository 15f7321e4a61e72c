/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"

enum { PRIORITY_ERR = 3, PRIORITY_WARNING, PRIORITY_INFO = 6, PRIORITY_DEBUG };

static int syslog_end = -1;

/* Our own end of the system's log, instead of /dev/log. */
static void catch_syslog(void)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX,
				    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    0, ends),
			 0);
	log_syslog(ends[0]);
	syslog_end = ends[1];
}

/* The next line's text and priority; "" and -1 when there is none. */
static const char *next_syslog(int *priority, char who[64])
{
	static char buf[4097];
	ssize_t n = recv(syslog_end, buf, sizeof(buf) - 1, 0);
	int facility, pid = 0, at = 0;

	buf[n < 0 ? 0 : n] = '\0';
	*priority = -1;
	if (n < 0)
		return "";
	ck_assert_int_eq(sscanf(buf, "<%d>%63[^[][%d]: %n", &facility, who,
				&pid, &at),
			 3);
	ck_assert_int_eq(pid, getpid());
	ck_assert_int_eq(facility & ~7, 3 << 3); /* a daemon's */
	*priority = facility & 7;
	return buf + at;
}

static int saved_stderr = -1;

/*
 * From here on stderr is a pipe that keeps each write apart from the next;
 * returns its other end.
 */
static int capture(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_DIRECT | O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	return ends[0];
}

static void release(int fd)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(fd);
}

/* One write, or "" when there is none. */
static const char *next_write(int fd)
{
	static char buf[4097];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

START_TEST(a_line_is_one_write)
{
	int fd = capture();

	log_open("prog");
	log_error("no %s: %d", "space", 28);
	log_warn("careful");
	log_info("hello");
	ck_assert_str_eq(next_write(fd), "prog: no space: 28\n");
	ck_assert_str_eq(next_write(fd), "prog: warning: careful\n");
	ck_assert_str_eq(next_write(fd), "prog: hello\n");
	ck_assert_str_eq(next_write(fd), "");
	release(fd);
}
END_TEST

START_TEST(lines_above_the_level_are_dropped)
{
	static const char *const says[] = {
		"vefs: e\n",
		"vefs: warning: w\n",
		"vefs: i\n",
		"vefs: debug: d\n",
	};

	for (int level = -1; level <= LOG_LEVEL_DEBUG; level++) {
		int fd = capture();
		/* -1: as it is at first */
		int last = level < 0 ? LOG_LEVEL_INFO : level;

		if (level >= 0)
			log_set_level((enum log_level)level);
		log_error("e");
		log_warn("w");
		log_info("i");
		log_debug("d");
		for (int i = 0; i <= last; i++)
			ck_assert_str_eq(next_write(fd), says[i]);
		ck_assert_str_eq(next_write(fd), "");
		release(fd);
	}
}
END_TEST

START_TEST(errno_is_kept)
{
	int fd = capture();

	for (int i = 0; i < 3; i++) {
		if (i == 1)
			close(STDERR_FILENO);
		if (i == 2)
			log_to_syslog();
		errno = EDQUOT;
		log_error("x");
		ck_assert_int_eq(errno, EDQUOT);
		log_debug("x");
		ck_assert_int_eq(errno, EDQUOT);
	}
	release(fd);
}
END_TEST

START_TEST(a_long_line_is_cut_and_still_a_line)
{
	static char text[3000];
	int fd = capture();

	memset(text, 'x', sizeof(text) - 1);
	for (size_t len = 900; len < sizeof(text); len += 7) {
		const char *line;
		size_t n;

		log_error("%.*s", (int)len, text);
		line = next_write(fd);
		n = strlen(line);
		ck_assert_int_eq(strncmp(line, "vefs: xxx", 9), 0);
		ck_assert_int_eq(line[n - 1], '\n');
		ck_assert_uint_eq(strcspn(line, "\n"), n - 1);
		ck_assert_uint_ge(n, len < 1000 ? len + 7 : 1000);
		ck_assert_str_eq(next_write(fd), "");
	}
	release(fd);
}
END_TEST

START_TEST(a_program_may_have_any_name)
{
	static char name[3000];
	int fd = capture();

	for (size_t len = 1; len < sizeof(name); len++) {
		const char *line;

		memset(name, 'n', len);
		log_open(name);
		log_error("x");
		line = next_write(fd);
		ck_assert_int_eq(line[0], 'n');
		ck_assert_int_eq(line[strlen(line) - 1], '\n');
	}
	release(fd);
}
END_TEST

START_TEST(syslog_gets_lines_with_their_priority)
{
	static const struct {
		enum log_level level;
		int priority;
		const char *line;
	} rows[] = {
		{ LOG_LEVEL_ERROR, PRIORITY_ERR, "text" },
		{ LOG_LEVEL_WARN, PRIORITY_WARNING, "warning: text" },
		{ LOG_LEVEL_INFO, PRIORITY_INFO, "text" },
		{ LOG_LEVEL_DEBUG, PRIORITY_DEBUG, "debug: text" },
	};
	int fd = capture(), priority;
	char who[64];

	catch_syslog();
	log_open("prog");
	log_set_level(LOG_LEVEL_DEBUG);
	log_to_syslog();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		log_line(rows[i].level, "%s", "text");
		ck_assert_str_eq(next_syslog(&priority, who), rows[i].line);
		ck_assert_int_eq(priority, rows[i].priority);
		ck_assert_str_eq(who, "prog");
	}
	next_syslog(&priority, who);
	ck_assert_int_eq(priority, -1);
	ck_assert_str_eq(next_write(fd), "");
	release(fd);
}
END_TEST

START_TEST(percent_signs_reach_syslog_unharmed)
{
	int priority;
	char who[64];

	catch_syslog();
	log_to_syslog();
	log_error("%s", "100%s %n");
	ck_assert_str_eq(next_syslog(&priority, who), "100%s %n");
}
END_TEST

/* What stderr does not take goes to syslog, the line that found out too. */
START_TEST(without_stderr_lines_go_to_syslog)
{
	int fd = capture(), priority;
	char who[64];

	catch_syslog();
	close(STDERR_FILENO);
	log_error("first");
	ck_assert_str_eq(next_syslog(&priority, who), "first");
	log_error("second");
	ck_assert_str_eq(next_syslog(&priority, who), "second");
	release(fd);
}
END_TEST

#define THREADS 4
#define LINES 30

static void *log_some(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_error("%s %d %s", (const char *)arg, i, (const char *)arg);
	return NULL;
}

START_TEST(threads_do_not_mix_their_lines)
{
	/* One more, for a word that is none of them. */
	static char words[THREADS + 1][16] = { "aaaaaa", "bbbb", "cc",
					       "ddddddddd" };
	int fd = capture(), seen[THREADS + 1] = { 0 };
	pthread_t threads[THREADS];

	/* A page a write: make room for all of them. */
	if (fcntl(fd, F_SETPIPE_SZ, THREADS * LINES * 4096) < 0) {
		release(fd);
		unit_skip("no pipe of 480 KiB");
		return;
	}
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, log_some,
						words[i]),
				 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < THREADS * LINES; i++) {
		char want[200], word[16] = "";
		const char *line;
		int k = 0;

		line = next_write(fd);
		sscanf(line, "vefs: %15s", word);
		while (k < THREADS && strcmp(word, words[k]) != 0)
			k++;
		ck_assert_int_lt(k, THREADS);
		snprintf(want, sizeof(want), "vefs: %s %d %s\n", words[k],
			 seen[k]++, words[k]);
		ck_assert_str_eq(line, want);
	}
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(seen[i], LINES);
	release(fd);
}
END_TEST

Suite *test_log_suite(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_add_test(t, a_line_is_one_write);
	tcase_add_test(t, lines_above_the_level_are_dropped);
	tcase_add_test(t, errno_is_kept);
	tcase_add_test(t, a_long_line_is_cut_and_still_a_line);
	tcase_add_test(t, a_program_may_have_any_name);
	tcase_add_test(t, syslog_gets_lines_with_their_priority);
	tcase_add_test(t, percent_signs_reach_syslog_unharmed);
	tcase_add_test(t, without_stderr_lines_go_to_syslog);
	tcase_add_test(t, threads_do_not_mix_their_lines);
	suite_add_tcase(s, t);
	return s;
}
