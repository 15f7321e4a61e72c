/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdio.h>

#include "fs/base/cleanup.h"
#include "fs/iomode.h"

START_TEST(the_table_of_the_header)
{
	static const struct {
		const char *what;
		struct iomode_state s;
		enum iomode want;
	} rows[] = {
		{ "cached files, upper",
		  { .available = true, .upper = true, .n_cached = 1 },
		  IOMODE_CACHED },
		{ "cached files, lower program",
		  { .available = true, .program = true, .n_cached = 3 },
		  IOMODE_CACHED },
		{ "passthrough lower, same",
		  { .available = true, .pass_lower = true, .n_pass = 1 },
		  IOMODE_PASS },
		{ "passthrough upper, same",
		  { .available = true, .upper = true, .n_pass = 2 },
		  IOMODE_PASS },
		{ "passthrough lower, upper wanted",
		  { .available = true,
		    .upper = true,
		    .pass_lower = true,
		    .n_pass = 1 },
		  IOMODE_CONFLICT },
		{ "nothing, upper",
		  { .available = true, .upper = true },
		  IOMODE_PASS },
		{ "nothing, lower program",
		  { .available = true, .program = true },
		  IOMODE_PASS },
		{ "nothing, other lower", { .available = true }, IOMODE_CACHED },
		{ "nothing, upper, no passthrough",
		  { .upper = true },
		  IOMODE_CACHED },
		{ "nothing, program, no passthrough",
		  { .program = true },
		  IOMODE_CACHED },
		{ "closed again: the old backing does not matter",
		  { .available = true, .upper = true, .pass_lower = true },
		  IOMODE_PASS },
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		unit_row(rows[n].what);
		ck_assert_int_eq(iomode_choose(&rows[n].s), rows[n].want);
	}
}
END_TEST

/* What the kernel demands, in every state that can be. */
START_TEST(open_files_agree_in_every_state)
{
	unsigned seen[3] = { 0 };

	for (unsigned bits = 0; bits < 16; bits++) {
		for (unsigned open = 0; open < 5; open++) {
			struct iomode_state s = {
				.available = bits & 1,
				.program = bits & 2,
				.upper = bits & 4,
				.pass_lower = bits & 8,
				.n_cached = open == 1 || open == 2 ? open : 0,
				.n_pass = open > 2 ? open : 0,
			};
			enum iomode got;

			/* Never open by passthrough where there is none. */
			if (!s.available && s.n_pass)
				continue;
			got = iomode_choose(&s);
			seen[got]++;
			if (s.n_cached || !s.available)
				ck_assert_int_eq(got, IOMODE_CACHED);
			if (s.n_pass)
				ck_assert_int_eq(got,
						 s.pass_lower == !s.upper
							 ? IOMODE_PASS
							 : IOMODE_CONFLICT);
			else
				ck_assert_int_ne(got, IOMODE_CONFLICT);
		}
	}
	ck_assert(seen[0] && seen[1] && seen[2]);
}
END_TEST

Suite *test_iomode_suite(void)
{
	Suite *s = suite_create("iomode");
	TCase *c = tcase_create("iomode");

	tcase_add_test(c, the_table_of_the_header);
	tcase_add_test(c, open_files_agree_in_every_state);
	suite_add_tcase(s, c);
	return s;
}
