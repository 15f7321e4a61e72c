/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "fs/optvalue.h"

static const struct {
	const char *text;
	size_t len;
	const char *plain;
} escapes[] = {
	{ "", 0, "" },
	{ "abc", 3, "abc" },
	{ "abc", 2, "ab" },
	{ "a\\:b", 4, "a:b" },
	{ "a\\,b", 4, "a,b" },
	{ "a\\\\b", 4, "a\\b" },
	{ "\\\\\\:", 4, "\\:" },
	{ "a\\bc", 4, "abc" },
	{ "a\\", 2, "a\\" },
	{ "a\\:b", 2, "a\\" },
	{ "\xc3\xa4\\ ", 4, "\xc3\xa4 " },
};

START_TEST(escapes_are_undone)
{
	for (size_t i = 0; i < ARRAY_SIZE(escapes); i++) {
		char *out = NULL;

		unit_row(escapes[i].text);
		ck_assert_int_eq(optvalue_unescape(escapes[i].text,
						   escapes[i].len, &out),
				 0);
		ck_assert_str_eq(out, escapes[i].plain);
		free(out);
	}
}
END_TEST

START_TEST(a_span_ends_at_a_bare_stop)
{
	ck_assert_uint_eq(optvalue_span("", ','), 0);
	ck_assert_uint_eq(optvalue_span(",a", ','), 0);
	ck_assert_uint_eq(optvalue_span("ab,c", ','), 2);
	ck_assert_uint_eq(optvalue_span("ab", ','), 2);
	ck_assert_uint_eq(optvalue_span("a\\,b,c", ','), 4);
	ck_assert_uint_eq(optvalue_span("a\\\\,b", ','), 3);
	ck_assert_uint_eq(optvalue_span("a\\", ','), 2);
	ck_assert_uint_eq(optvalue_span("a:b,c", ':'), 1);
}
END_TEST

static const struct {
	const char *text;
	const char *dirs[4];
} lists[] = {
	{ "/a", { "/a" } },
	{ "/a:/b", { "/a", "/b" } },
	{ "a:b:c", { "a", "b", "c" } },
	{ "/a\\:b:/c", { "/a:b", "/c" } },
	{ "/a\\\\:/c", { "/a\\", "/c" } },
	{ "/a\\,b", { "/a,b" } },
	{ "\\:", { ":" } },
	{ "/a b:\t", { "/a b", "\t" } },
	{ "/a:\\", { "/a", "\\" } },
};

START_TEST(lists_of_directories)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		char **dirs = NULL;
		size_t n = 0, want = 0;

		unit_row(lists[i].text);
		ck_assert_int_eq(optvalue_dirs(lists[i].text, &dirs, &n), 0);
		while (lists[i].dirs[want])
			want++;
		ck_assert_uint_eq(n, want);
		for (size_t k = 0; k < n; k++)
			ck_assert_str_eq(dirs[k], lists[i].dirs[k]);
		optvalue_free_list(dirs, n);
	}
}
END_TEST

static const char *const bad_lists[] = {
	"", ":", "::", ":/a", "/a:", "/a::/b", "/a:/b:", "\\::",
};

START_TEST(no_directory_is_nameless)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_lists); i++) {
		char *mark, **dirs = &mark;
		size_t n = 77;

		unit_row(bad_lists[i]);
		ck_assert_int_eq(optvalue_dirs(bad_lists[i], &dirs, &n),
				 -EINVAL);
		ck_assert_ptr_eq(dirs, &mark);
		ck_assert_uint_eq(n, 77);
	}
}
END_TEST

static const struct {
	const char *text;
	size_t n;
	struct options_idrun runs[3];
} maps[] = {
	{ "0:100000:65536", 1, { { 0, 100000, 65536 } } },
	{ ":0:100000:65536", 1, { { 0, 100000, 65536 } } },
	{ ":::0:100000:65536", 1, { { 0, 100000, 65536 } } },
	{ "0:10:5:100:2000:1", 2, { { 0, 10, 5 }, { 100, 2000, 1 } } },
	{ ":0:1000:1:1:110000:65536",
	  2,
	  { { 0, 1000, 1 }, { 1, 110000, 65536 } } },
	{ "5:0:5:0:5:5:10:10:1",
	  3,
	  { { 5, 0, 5 }, { 0, 5, 5 }, { 10, 10, 1 } } },
	{ "4294967294:0:1", 1, { { 4294967294u, 0, 1 } } },
	{ "0:4294967294:1", 1, { { 0, 4294967294u, 1 } } },
	{ "0:0:4294967295", 1, { { 0, 0, 4294967295u } } },
	{ "1:1:4294967294", 1, { { 1, 1, 4294967294u } } },
};

START_TEST(id_mappings)
{
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		struct options_idmap map = { 0 };
		const char *why = NULL;

		unit_row(maps[i].text);
		ck_assert_int_eq(optvalue_idmap(maps[i].text, &map, &why), 0);
		ck_assert_ptr_null(why);
		ck_assert_uint_eq(map.n, maps[i].n);
		for (size_t k = 0; k < map.n; k++) {
			ck_assert_uint_eq(map.runs[k].disk,
					  maps[i].runs[k].disk);
			ck_assert_uint_eq(map.runs[k].shown,
					  maps[i].runs[k].shown);
			ck_assert_uint_eq(map.runs[k].count,
					  maps[i].runs[k].count);
		}
		free(map.runs);
	}
}
END_TEST

static const struct {
	const char *text, *why;
} bad_maps[] = {
	{ "", "threes" },
	{ ":", "threes" },
	{ "0", "threes" },
	{ "0:1", "threes" },
	{ "0:1:", "threes" },
	{ "0:1:2:", "threes" },
	{ "0:1:2:3", "threes" },
	{ "0:1:2:3:4", "threes" },
	{ "0::2", "threes" },
	{ "0:1:2::3:4:5", "threes" },
	{ "a:1:2", "threes" },
	{ "0:-1:2", "threes" },
	{ "0:1:2x", "threes" },
	{ "0:1:2 ", "threes" },
	{ "0 1 2", "threes" },
	{ "0,1,2", "threes" },
	{ "0:1:0", "count is 0" },
	{ "0:1:1:5:5:0", "count is 0" },
	{ "0:1:4294967296", "beyond 4294967295" },
	{ "99999999999999999999:1:1", "beyond 4294967295" },
	{ "4294967295:0:1", "last id" },
	{ "0:4294967295:1", "last id" },
	{ "1:0:4294967295", "last id" },
	{ "0:1:4294967295", "last id" },
	{ "4294967290:0:6", "last id" },
	{ "0:10:5:4:100:1", "on disk" },
	{ "4:10:1:0:100:5", "on disk" },
	{ "0:10:5:0:100:5", "on disk" },
	{ "10:100:5:8:200:20", "on disk" },
	{ "0:10:5:100:14:1", "show as the same" },
	{ "0:10:5:100:6:5", "show as the same" },
	{ "0:0:1:1:1:1:2:0:1", "show as the same" },
};

START_TEST(bad_id_mappings)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_maps); i++) {
		struct options_idrun mark;
		struct options_idmap map = { &mark, 77 };
		const char *why = NULL;

		unit_row(bad_maps[i].text);
		ck_assert_int_eq(optvalue_idmap(bad_maps[i].text, &map, &why),
				 -EINVAL);
		ck_assert_ptr_nonnull(why);
		ck_assert_msg(strstr(why, bad_maps[i].why), "%s: %s",
			      bad_maps[i].text, why);
		ck_assert_ptr_eq(map.runs, &mark);
		ck_assert_uint_eq(map.n, 77);
	}
}
END_TEST

START_TEST(an_id_mapping_has_340_runs_at_most)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct options_idmap map = { 0 };
	const char *why = NULL;

	for (unsigned i = 0; i < OPTIONS_IDRUNS_MAX; i++)
		strbuf_addf(&b, ":%u:%u:1", i * 2, i * 3 + 7);
	ck_assert_int_eq(optvalue_idmap(strbuf_get(&b), &map, &why), 0);
	ck_assert_uint_eq(map.n, OPTIONS_IDRUNS_MAX);
	ck_assert_uint_eq(map.runs[339].shown, 339 * 3 + 7);
	free(map.runs);

	strbuf_puts(&b, ":9000:9000:1");
	ck_assert_int_eq(optvalue_idmap(strbuf_get(&b), &map, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "340"));
}
END_TEST

/* Overlaps, against a table of small ids. */
START_TEST(random_id_mappings)
{
	struct unit_rand r;

	unit_rand_start(&r);
	for (int i = 0; i < 20000; i++) {
		bool disk[64] = { 0 }, shown[64] = { 0 }, clash = false;
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct options_idmap map = { 0 };
		size_t n = 1 + unit_rand(&r, 4);
		const char *why = NULL;
		int rc;

		for (size_t k = 0; k < n; k++) {
			uint32_t d = unit_rand(&r, 50), s = unit_rand(&r, 50);
			uint32_t count = 1 + unit_rand(&r, 12);

			strbuf_addf(&b, ":%u:%u:%u", d, s, count);
			for (uint32_t c = 0; c < count; c++) {
				clash |= disk[d + c] || shown[s + c];
				disk[d + c] = shown[s + c] = true;
			}
		}
		rc = optvalue_idmap(strbuf_get(&b), &map, &why);
		ck_assert_msg(rc == (clash ? -EINVAL : 0), "%s: %d",
			      strbuf_get(&b), rc);
		ck_assert_uint_eq(map.n, clash ? 0 : n);
		free(map.runs);
	}
}
END_TEST

static const struct {
	const char *text, *trees, *why;
} trees[] = {
	{ "/usr", "/usr", NULL },
	{ "/usr:/opt/x", "/usr:/opt/x", NULL },
	{ "/usr/", "/usr", NULL },
	{ "//usr///lib//:/a/", "/usr/lib:/a", NULL },
	{ "/", "/", NULL },
	{ "///:/a", "/:/a", NULL },
	{ "/..a/.b/c.", "/..a/.b/c.", NULL },
	{ "none", "", NULL },
	{ "", "", NULL },
	{ "usr", NULL, "absolute" },
	{ "/usr:opt", NULL, "absolute" },
	{ "/usr::/opt", NULL, "absolute" },
	{ ":/usr", NULL, "absolute" },
	{ ":", NULL, "absolute" },
	{ "/usr:", NULL, "too many" },
	{ "/usr:none", NULL, "absolute" },
	{ "/usr/../etc", NULL, "\"..\"" },
	{ "/..", NULL, "\"..\"" },
	{ "/usr/.", NULL, "\".\"" },
	{ "/./usr", NULL, "\".\"" },
	{ "/a\\:b", NULL, "backslash" },
};

START_TEST(program_trees)
{
	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		const char *why = NULL;
		char mark, *out = &mark;
		int rc = optvalue_trees(trees[i].text, &out, &why);

		unit_row(trees[i].text);
		if (!trees[i].why) {
			ck_assert_int_eq(rc, 0);
			ck_assert_str_eq(out, trees[i].trees);
			free(out);
			continue;
		}
		ck_assert_int_eq(rc, -EINVAL);
		ck_assert_ptr_eq(out, &mark);
		ck_assert_msg(strstr(why, trees[i].why), "%s: %s",
			      trees[i].text, why);
	}
}
END_TEST

Suite *test_optvalue_suite(void)
{
	Suite *s = suite_create("optvalue");
	TCase *t = tcase_create("optvalue");

	tcase_add_test(t, escapes_are_undone);
	tcase_add_test(t, a_span_ends_at_a_bare_stop);
	tcase_add_test(t, lists_of_directories);
	tcase_add_test(t, no_directory_is_nameless);
	tcase_add_test(t, id_mappings);
	tcase_add_test(t, bad_id_mappings);
	tcase_add_test(t, an_id_mapping_has_340_runs_at_most);
	tcase_add_test(t, random_id_mappings);
	tcase_add_test(t, program_trees);
	suite_add_tcase(s, t);
	return s;
}
