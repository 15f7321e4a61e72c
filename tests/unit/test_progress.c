/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools: progress */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "tools/progress.h"

#define TEXT_MAX 1024

/* What a terminal is shown. */
static void show(uint64_t done, uint64_t total, char text[TEXT_MAX])
{
	uint64_t now = clock_now();
	struct progress p = {
		.terminal = true,
		.began = now - CLOCK_S,
		.last = now - CLOCK_S,
	};
	_cleanup_close_ int saved = dup(STDERR_FILENO);
	int ends[2];
	ssize_t n;

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
	progress_show(&p, "reading", done, total, 7);
	fflush(stderr);
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	close(ends[1]);
	n = read(ends[0], text, TEXT_MAX - 1);
	close(ends[0]);
	text[n < 0 ? 0 : n] = '\0';
}

static unsigned full(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '#';
	return n;
}

START_TEST(the_bar_is_never_longer_than_whole)
{
	static const struct {
		uint64_t done, total;
		unsigned full;
	} rows[] = {
		{ 0, 1, 0 },	       { 1, 2, 20 },
		{ 100, 100, 40 },      { 101, 100, 40 },
		{ UINT64_MAX, 1, 40 }, { UINT64_MAX, UINT64_MAX, 40 },
		{ 1, UINT64_MAX, 0 },  { 100000000, 1, 40 },
	};
	char text[TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		show(rows[i].done, rows[i].total, text);
		ck_assert_msg(full(text) == rows[i].full, "row %zu: %s", i,
			      text);
		ck_assert_msg(strstr(text, "7 files") != NULL, "row %zu: %s", i,
			      text);
	}
}
END_TEST

Suite *test_progress_suite(void)
{
	Suite *s = suite_create("progress");
	TCase *t = tcase_create("progress");

	tcase_add_test(t, the_bar_is_never_longer_than_whole);
	suite_add_tcase(s, t);
	return s;
}
