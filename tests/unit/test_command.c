/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: command */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/command.h"

static int64_t at_noon(void)
{
	return 1000000;
}

/* What the callbacks answer, and what they were asked. */
struct side {
	struct command_ctx c;
	int64_t checked;
	int saved;
	unsigned n_checks, n_fixes, n_changes;
};

static int64_t check(void *ctx, bool fix,
		     void (*fn)(void *ctx, const struct scan_drift *d),
		     void *fn_ctx)
{
	const struct scan_drift d = { LEDGER_USER, 5, { 512, 1 }, { 1024, 2 } };
	struct side *s = ctx;

	s->n_checks++;
	s->n_fixes += fix;
	fn(fn_ctx, &d);
	return s->checked;
}

static int changed(void *ctx)
{
	struct side *s = ctx;

	s->n_changes++;
	return s->saved;
}

static void begin(struct side *s)
{
	*s = (struct side){
		.c = { .ledger = ledger_new(-1, at_noon),
		       .check = check,
		       .changed = changed,
		       .ctx = s },
		.checked = 77,
	};
	ck_assert_ptr_nonnull(s->c.ledger);
}

static void end(struct side *s)
{
	ledger_free(s->c.ledger);
}

/* The answer to a request; free it. */
static char *ask(struct side *s, const char *line)
{
	char *answer = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&answer, &len);

	ck_assert_ptr_nonnull(f);
	command_run(&s->c, line, f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_uint_eq(strlen(answer), len);
	ck_assert(len > 0 && answer[len - 1] == '\n');
	return answer;
}

static void answers(struct side *s, const char *line, const char *want)
{
	char *answer = ask(s, line);

	unit_row(line);
	ck_assert_str_eq(answer, want);
	free(answer);
}

/* One line that names what is wrong; nothing has changed. */
static void refuses(struct side *s, const char *line, const char *says)
{
	uint64_t version = ledger_version(s->c.ledger);
	unsigned changes = s->n_changes;
	char *answer = ask(s, line);

	unit_row(line);
	ck_assert_msg(strncmp(answer, "error: ", 7) == 0 &&
			      strchr(answer, '\n') == strrchr(answer, '\n') &&
			      strstr(answer, says),
		      "'%s' answers: %s", line, answer);
	ck_assert_uint_eq(s->n_changes, changes);
	ck_assert_uint_le(ledger_version(s->c.ledger), version + 1);
	free(answer);
}

START_TEST(setting_and_getting)
{
	const uint64_t usage[LIMIT_RESOURCES] = { 4096, 3 };
	struct side s;

	begin(&s);
	answers(&s, "get user 7", "ok\nrecord user 7 0 0 0 0 0 0 0 0\n");
	answers(&s, "set user 7 space 1024 8192", "ok\n");
	answers(&s, "set user 7 inodes - 9", "ok\n");
	ledger_set_usage(s.c.ledger, LEDGER_USER, 7, usage);
	answers(&s, "get user 7",
		"ok\nrecord user 7 4096 1024 8192 1259200 3 0 9 0\n");
	answers(&s, "set user 7 space 2048 -", "ok\n");
	answers(&s, "set user 7 space - 2048", "ok\n");
	answers(&s, "set user 7 space - -", "ok\n");
	answers(&s, "\t get  user   7 ",
		"ok\nrecord user 7 4096 2048 2048 1259200 3 0 9 0\n");
	answers(&s, "deadline user 7 space 50", "ok\n");
	answers(&s, "get user 7",
		"ok\nrecord user 7 4096 2048 2048 1000050 3 0 9 0\n");
	answers(&s, "grace user space 60", "ok\n");
	answers(&s, "deadline user 7 space 0", "ok\n");
	answers(&s, "get user 7",
		"ok\nrecord user 7 4096 2048 2048 1000060 3 0 9 0\n");
	answers(&s, "set container 0 space 0 2305843009213693951", "ok\n");
	answers(&s, "set group 4294967294 inodes 1 0", "ok\n");
	answers(&s, "enforce group off", "ok\n");
	answers(&s, "enforce user on", "ok\n");
	answers(&s, "enforce container on", "ok\n");
	ck_assert(!ledger_enforces(s.c.ledger, LEDGER_GROUP));
	/* a record of zeros is none */
	answers(&s, "set user 8 space 1 1", "ok\n");
	answers(&s, "set user 8 space 0 0", "ok\n");
	answers(&s, "get",
		"ok\n"
		"enforce container on\n"
		"grace container space 259200\n"
		"grace container inodes 259200\n"
		"enforce user on\n"
		"grace user space 60\n"
		"grace user inodes 259200\n"
		"enforce group off\n"
		"grace group space 259200\n"
		"grace group inodes 259200\n"
		"record container 0 0 0 2305843009213693951 0 0 0 0 0\n"
		"record user 7 4096 2048 2048 1000060 3 0 9 0\n"
		"record group 4294967294 0 0 0 0 0 1 0 0\n"
		"end\n");
	ck_assert_uint_eq(s.n_changes, 15);
	end(&s);
}
END_TEST

START_TEST(all_limits_at_once)
{
	const uint64_t usage[LIMIT_RESOURCES] = { 4096, 3 };
	struct side s;

	begin(&s);
	ledger_set_usage(s.c.ledger, LEDGER_USER, 7, usage);
	answers(&s, "limits user 7 1024 8192 - 1 9 -", "ok\n");
	answers(&s, "get user 7",
		"ok\nrecord user 7 4096 1024 8192 1259200 3 1 9 1259200\n");
	answers(&s, "limits user 7 - - 5 - 10 1000005", "ok\n");
	answers(&s, "get user 7",
		"ok\nrecord user 7 4096 1024 8192 5 3 1 10 1000005\n");
	answers(&s, "limits user 7 - - 0 - - -", "ok\n");
	answers(&s, "limits user 7 - - - - - -", "ok\n");
	answers(&s, "get user 7",
		"ok\nrecord user 7 4096 1024 8192 1259200 3 1 10 1000005\n");
	/* Below the soft limit there is no deadline. */
	answers(&s, "limits user 7 8192 8192 77 0 0 77", "ok\n");
	answers(&s, "get user 7",
		"ok\nrecord user 7 4096 8192 8192 0 3 0 0 0\n");
	/* All, or nothing. */
	refuses(&s, "limits user 7 1 2 3 5 4 -", "inodes: the soft limit 5");
	refuses(&s, "limits user 7 1 2 3 - - x", "'x' is no time");
	refuses(&s, "limits user 7 1 2 -1 - - -", "'-1' is no time");
	refuses(&s, "limits user 7 1 2 - - -", "limits lacks a word");
	refuses(&s, "limits user 7 1 2 - - - - -", "'-' is too much");
	answers(&s, "get user 7",
		"ok\nrecord user 7 4096 8192 8192 0 3 0 0 0\n");
	end(&s);
}
END_TEST

START_TEST(from_one_to_the_next)
{
	struct side s;

	begin(&s);
	refuses(&s, "next user 0", "there is no user from 0 on");
	answers(&s, "set user 70000 space 0 4", "ok\n");
	answers(&s, "set user 7 space 0 5", "ok\n");
	answers(&s, "set user 9 space 0 5", "ok\n");
	answers(&s, "set user 9 space 0 0", "ok\n");
	answers(&s, "set group 8 space 0 6", "ok\n");
	answers(&s, "set container 0 space 0 3", "ok\n");
	answers(&s, "next user 0", "ok\nrecord user 7 0 0 5 0 0 0 0 0\n");
	answers(&s, "next user 7", "ok\nrecord user 7 0 0 5 0 0 0 0 0\n");
	answers(&s, "next user 8", "ok\nrecord user 70000 0 0 4 0 0 0 0 0\n");
	refuses(&s, "next user 70001", "there is no user from 70001 on");
	answers(&s, "next group 0", "ok\nrecord group 8 0 0 6 0 0 0 0 0\n");
	answers(&s, "next container 0",
		"ok\nrecord container 0 0 0 3 0 0 0 0 0\n");
	refuses(&s, "next user", "next KIND ID");
	answers(&s, "grace user inodes 60", "ok\n");
	answers(&s, "enforce user off", "ok\n");
	answers(&s, "info user",
		"ok\nenforce user off\ngrace user space 259200\n"
		"grace user inodes 60\n");
	refuses(&s, "info", "info KIND");
	end(&s);
}
END_TEST

/* The number that goes with an answer. */
START_TEST(numbers)
{
	static const struct {
		const char *line;
		int r, saved;
	} rows[] = {
		{ "get user 1", 0, 0 },
		{ "", -EINVAL, 0 },
		{ "what", -EINVAL, 0 },
		{ "get user x", -EINVAL, 0 },
		{ "set user 1 space 2 1", -EINVAL, 0 },
		{ "set user 1 space 1 2", 0, 0 },
		{ "set user 1 space 1 2", -EIO, -ENOSPC },
		{ "limits user 1 1 2 - - - -", -EIO, -ENOSPC },
		{ "next user 2", -ENOENT, 0 },
		{ "next user 1", 0, 0 },
		{ "check", -EACCES, 0 },
	};
	FILE *f = fopen("/dev/null", "w");
	struct side s;

	begin(&s);
	s.checked = -EACCES;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unit_row(rows[i].line);
		s.saved = rows[i].saved;
		ck_assert_int_eq(command_run(&s.c, rows[i].line, f), rows[i].r);
	}
	fclose(f);
	end(&s);
}
END_TEST

START_TEST(bad_requests)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "", "an empty request" },
		{ " \t ", "an empty request" },
		{ "gte", "'gte'" },
		{ "GET", "'GET'" },
		{ "get user", "get [KIND ID]" },
		{ "get user 1 space", "'space' is too much" },
		{ "get uesr 1", "'uesr' is no kind: container, user or group" },
		{ "get user x", "'x' is no id" },
		{ "get user -1", "'-1' is no id" },
		{ "get user 4294967295", "'4294967295' is no id" },
		{ "get user 1x", "'1x' is no id" },
		{ "get container 1", "0 is expected" },
		{ "set", "set KIND ID RESOURCE SOFT HARD" },
		{ "set user 1 space 5", "set lacks a word" },
		{ "set user 1 space 5 6 7", "'7' is too much" },
		{ "set user 1 spaec 5 6", "'spaec' is no resource" },
		{ "set user 1 space 5k 6", "'5k' is no soft limit" },
		{ "set user 1 space 5 -6", "'-6' is no hard limit" },
		{ "set user 1 space +5 6", "'+5' is no soft limit" },
		{ "set user 1 space 2305843009213693952 -",
		  "a number from 0 to 2305843009213693951" },
		{ "set user 1 space 9999999999999999999999999999999999999 -",
		  "9..." },
		{ "set user 1 space 7 6",
		  "the soft limit 7 is above the hard limit 6" },
		{ "set user 9 inodes 101 -",
		  "inodes: the soft limit 101 is above the hard limit 100" },
		{ "grace user space", "grace KIND RESOURCE SECONDS" },
		{ "grace user space -", "'-' is no grace" },
		{ "grace user space 4294967296", "from 0 to 4294967295" },
		{ "grace disk space 1", "'disk' is no kind" },
		{ "deadline user 1 space", "deadline KIND ID" },
		{ "deadline user 1 space soon", "'soon' is no time" },
		{ "enforce user", "enforce KIND on|off" },
		{ "enforce user yes", "'yes' is no state: on or off" },
		{ "enforce all on", "'all' is no kind" },
		{ "check fast", "'fast' is not known" },
		{ "check fix now", "'now' is too much" },
		{ "get user 1\n", "'1?' is no id" },
		{ "\033[2J", "'?[2J'" },
		{ "set user 1 space 0000000000000000000000000000000000000000"
		  "000000000000000000000000000000000 -",
		  "is no soft limit" },
		{ "a b c d e f g h i j k l m n o p q r s t", "'a'" },
		{ "get a b c d e f g h i j k l m n o p q r", "too much" },
	};
	struct side s;

	begin(&s);
	ck_assert_int_eq(ledger_set(s.c.ledger, LEDGER_USER, 9, LIMIT_INODES, 0,
				    100),
			 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuses(&s, rows[i].line, rows[i].says);
	answers(&s, "get user 1", "ok\nrecord user 1 0 0 0 0 0 0 0 0\n");
	answers(&s, "get user 9", "ok\nrecord user 9 0 0 0 0 0 0 100 0\n");
	end(&s);
}
END_TEST

START_TEST(checking)
{
	struct side s;
	char *answer;
	unsigned long long inodes, ms;

	begin(&s);
	for (unsigned fix = 0; fix < 2; fix++) {
		answer = ask(&s, fix ? "check fix" : "check");
		ck_assert_int_eq(sscanf(answer,
					"ok\ndrift user 5 512 1024 1 2\n"
					"checked %llu %llu\n",
					&inodes, &ms),
				 2);
		ck_assert_uint_eq(inodes, 77);
		free(answer);
		ck_assert_uint_eq(s.n_checks, fix + 1);
		ck_assert_uint_eq(s.n_fixes, fix);
	}
	s.checked = -EACCES;
	answers(&s, "check", "error: the scan failed: Permission denied\n");
	s.c.check = NULL;
	refuses(&s, "check", "cannot be checked");
	end(&s);
}
END_TEST

START_TEST(not_saved)
{
	struct side s;
	char *answer;

	begin(&s);
	s.saved = -ENOSPC;
	answer = ask(&s, "set user 1 space 1 2");
	ck_assert_ptr_nonnull(strstr(answer, "error: "));
	ck_assert_ptr_nonnull(strstr(answer, "No space left"));
	free(answer);
	answers(&s, "get user 1", "ok\nrecord user 1 0 1 2 0 0 0 0 0\n");
	s.c.changed = NULL;
	answers(&s, "set user 1 space 0 0", "ok\n");
	end(&s);
}
END_TEST

START_TEST(many_records)
{
	const uint64_t usage[LIMIT_RESOURCES] = { 4096, 1 };
	unsigned lines = 0;
	struct side s;
	char *answer;

	begin(&s);
	for (uint32_t i = 0; i < 100000; i++)
		ck_assert_int_eq(
			ledger_set_usage(s.c.ledger, LEDGER_USER, i, usage), 0);
	answer = ask(&s, "get");
	for (const char *p = answer; *p; p++)
		lines += *p == '\n';
	/* "ok", three enforce, six grace */
	ck_assert_uint_eq(lines, 11 + 100000);
	free(answer);
	end(&s);
}
END_TEST

Suite *test_command_suite(void)
{
	Suite *s = suite_create("command");
	TCase *c = tcase_create("command");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, setting_and_getting);
	tcase_add_test(c, all_limits_at_once);
	tcase_add_test(c, from_one_to_the_next);
	tcase_add_test(c, numbers);
	tcase_add_test(c, bad_requests);
	tcase_add_test(c, checking);
	tcase_add_test(c, not_saved);
	tcase_add_test(c, many_records);
	suite_add_tcase(s, c);
	return s;
}
