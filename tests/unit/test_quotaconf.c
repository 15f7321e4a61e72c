/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/quotaconf.h"

static int parse(struct quotaconf *q, const char *key, const char *value,
		 struct why *why)
{
	struct conf *c = conf_new();
	int r;

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(conf_set(c, key, value), 0);
	r = quotaconf_parse(c, "101", q, why);
	conf_free(c);
	return r;
}

START_TEST(openvz_words_are_understood)
{
	struct quotaconf q;

	ck_assert_int_eq(parse(&q, "OTHER", "x", NULL), 0);
	ck_assert(!q.off && !q.background && !q.has_grace && !q.has_level2 &&
		  !q.has_limits[LIMIT_SPACE] && !q.has_limits[LIMIT_INODES]);
	ck_assert_int_eq(parse(&q, "DISKSPACE", "1048576:1153024", NULL), 0);
	ck_assert(q.has_limits[LIMIT_SPACE] && !q.has_limits[LIMIT_INODES]);
	ck_assert_uint_eq(q.limits[LIMIT_SPACE].soft, 1ull << 30);
	ck_assert_uint_eq(q.limits[LIMIT_SPACE].hard, 1126ull << 20);
	ck_assert_int_eq(parse(&q, "DISKINODES", "200000:220000", NULL), 0);
	ck_assert_uint_eq(q.limits[LIMIT_INODES].hard, 220000);
	ck_assert_int_eq(parse(&q, "QUOTATIME", "600", NULL), 0);
	ck_assert(q.has_grace);
	ck_assert_uint_eq(q.grace[LIMIT_SPACE], 600);
	ck_assert_uint_eq(q.grace[LIMIT_INODES], 600);
	ck_assert_int_eq(parse(&q, "QUOTATIME", "600:0", NULL), 0);
	ck_assert_uint_eq(q.grace[LIMIT_INODES], 0);
	ck_assert_int_eq(parse(&q, "QUOTAUGIDLIMIT", "0", NULL), 0);
	ck_assert(q.has_level2 && !q.level2);
	ck_assert_int_eq(parse(&q, "QUOTAUGIDLIMIT", "100", NULL), 0);
	ck_assert(q.has_level2 && q.level2);
	ck_assert_int_eq(parse(&q, "DISK_QUOTA", "no", NULL), 0);
	ck_assert(q.off);
	ck_assert_int_eq(parse(&q, "DISK_QUOTA", "yes", NULL), 0);
	ck_assert(!q.off);
	ck_assert_int_eq(parse(&q, "QUOTA_CHECK", "background", NULL), 0);
	ck_assert(q.background);
	ck_assert_int_eq(parse(&q, "DISKSPACE", "", NULL), 0);
	ck_assert(!q.has_limits[LIMIT_SPACE]);
}
END_TEST

static const struct {
	const char *key, *value;
} wrong[] = {
	{ "DISKSPACE", "0:0" },
	{ "DISKSPACE", "2:1" },
	{ "DISKSPACE", "lots" },
	{ "DISKSPACE", "4P" },
	{ "DISKINODES", "0:5" },
	{ "DISKINODES", "-1" },
	{ "QUOTATIME", "7d" },
	{ "QUOTATIME", "1:2:3" },
	{ "QUOTATIME", "99999999999999999999" },
	{ "QUOTAUGIDLIMIT", "-5" },
	{ "DISK_QUOTA", "maybe" },
	{ "QUOTA_CHECK", "sometime" },
};

START_TEST(what_is_wrong_is_named)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct why why = { "" };
		struct quotaconf q;
		int r;

		unit_row(wrong[i].value);
		r = parse(&q, wrong[i].key, wrong[i].value, &why);
		ck_assert(r == -EINVAL || r == -ERANGE);
		ck_assert_ptr_nonnull(strstr(why.text, wrong[i].key));
		ck_assert_ptr_nonnull(strstr(why.text, "container 101"));
		ck_assert(!q.has_limits[LIMIT_SPACE] && !q.has_grace &&
			  !q.has_limits[LIMIT_INODES] && !q.has_level2);
	}
}
END_TEST

START_TEST(one_wrong_line_hides_no_other)
{
	struct conf *c = conf_new();
	struct why why = { "" };
	struct quotaconf q;

	conf_set(c, "DISKSPACE", "0:0");
	conf_set(c, "DISKINODES", "5:6");
	ck_assert_int_eq(quotaconf_parse(c, "101", &q, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why.text, "unlimited"));
	ck_assert(q.has_limits[LIMIT_INODES]);
	conf_free(c);
}
END_TEST

Suite *test_quotaconf_suite(void)
{
	Suite *s = suite_create("quotaconf");
	TCase *t = tcase_create("quotaconf");

	tcase_add_test(t, openvz_words_are_understood);
	tcase_add_test(t, what_is_wrong_is_named);
	tcase_add_test(t, one_wrong_line_hides_no_other);
	suite_add_tcase(s, t);
	return s;
}
