/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/quotastate.h"

static int take(struct quotastate *s, const char *text)
{
	char line[256];

	snprintf(line, sizeof(line), "%s", text);
	return quotastate_take(s, line);
}

START_TEST(lines_become_a_state)
{
	struct quotastate s = { .enforce = { false } };
	struct limit_rec r;

	ck_assert_int_eq(take(&s, "enforce user on"), 0);
	ck_assert_int_eq(take(&s, "grace group inodes 4294967295"), 0);
	ck_assert_int_eq(take(&s, "record user 4294967294 "
				  "2305843009213693951 2 3 4 5 6 7 8"),
			 0);
	ck_assert_int_eq(take(&s, "record user 5 1 2 3 0 5 6 7 0"), 0);
	ck_assert(s.enforce[LEDGER_USER] && !s.enforce[LEDGER_GROUP]);
	ck_assert_uint_eq(s.grace[LEDGER_GROUP][LIMIT_INODES], 4294967295u);
	ck_assert_uint_eq(s.of[LEDGER_USER].n, 2);
	ck_assert_uint_eq(s.of[LEDGER_USER].recs[0].id, 4294967294u);
	r = s.of[LEDGER_USER].recs[0].r;
	ck_assert_uint_eq(r.of[LIMIT_SPACE].usage, 2305843009213693951u);
	ck_assert_uint_eq(r.of[LIMIT_SPACE].soft, 2);
	ck_assert_uint_eq(r.of[LIMIT_SPACE].hard, 3);
	ck_assert_int_eq(r.of[LIMIT_SPACE].deadline, 4);
	ck_assert_uint_eq(r.of[LIMIT_INODES].usage, 5);
	ck_assert_int_eq(r.of[LIMIT_INODES].deadline, 8);
	r = quotastate_get(&s, LEDGER_GROUP, 5);
	ck_assert_uint_eq(r.of[LIMIT_SPACE].usage, 0);
	quotastate_free(&s);
	ck_assert_uint_eq(s.of[LEDGER_USER].n, 0);
}
END_TEST

static const char *const no_lines[] = {
	"",
	"ok",
	"enforce",
	"enforce nobody on",
	"enforce user maybe",
	"enforce user on too",
	"grace user space",
	"grace user time 5",
	"grace user space 5 6",
	"record user 5 1 2 3 0 5 6 7",
	"record user 5 1 2 3 0 5 6 7 0 0",
	"record nobody 5 1 2 3 0 5 6 7 0",
	"record user x 1 2 3 0 5 6 7 0",
	"drift user 5 1 2 3 4",
};

START_TEST(other_lines_are_refused)
{
	struct quotastate s = { .enforce = { false } };

	for (size_t i = 0; i < ARRAY_SIZE(no_lines); i++) {
		unit_row(no_lines[i]);
		ck_assert_int_eq(take(&s, no_lines[i]), -EPROTO);
	}
	ck_assert_uint_eq(s.of[LEDGER_USER].n, 0);
	quotastate_free(&s);
}
END_TEST

START_TEST(what_a_check_says)
{
	uint64_t of[4] = { 0 }, inodes = 0, ms = 0;
	enum ledger_kind kind = LEDGER_USER;
	uint32_t id = 0;

	ck_assert_int_eq(
		quotastate_drift("drift group 50 1 2 3 4", &kind, &id, of), 0);
	ck_assert_int_eq(kind, LEDGER_GROUP);
	ck_assert_uint_eq(id, 50);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(of[i], i + 1);
	ck_assert_int_eq(quotastate_drift("drift group 50 1 2 3", &kind, &id,
					  of),
			 -EPROTO);
	ck_assert_int_eq(quotastate_drift("drift all 50 1 2 3 4", &kind, &id,
					  of),
			 -EPROTO);
	ck_assert_int_eq(quotastate_checked("checked 12 34", &inodes, &ms), 0);
	ck_assert_uint_eq(inodes, 12);
	ck_assert_uint_eq(ms, 34);
	ck_assert_int_eq(quotastate_checked("checked 12", &inodes, &ms),
			 -EPROTO);
}
END_TEST

Suite *test_quotastate_suite(void)
{
	Suite *s = suite_create("quotastate");
	TCase *t = tcase_create("quotastate");

	tcase_add_test(t, lines_become_a_state);
	tcase_add_test(t, other_lines_are_refused);
	tcase_add_test(t, what_a_check_says);
	suite_add_tcase(s, t);
	return s;
}
