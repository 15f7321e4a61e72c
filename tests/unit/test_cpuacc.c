/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processor times: where they go, and that they never fall. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/cpuacc.h"

#define S 1000000000ull

static struct cpuacc *new_acc(void)
{
	struct cpuacc *a = calloc(1, sizeof(*a));

	ck_assert_ptr_nonnull(a);
	return a;
}

START_TEST(what_was_used_is_spread)
{
	_cleanup_free_ struct cpuacc *a = new_acc();
	const struct cpuacc_sample s = { .at = 110 * S,
					 .start = 100 * S,
					 .n = 2,
					 .used = { 4 * S, S, 2 * S },
					 .throttled = S };
	const struct cpuacc_cpu *c;
	struct cpuacc_cpu sum;
	uint32_t n;

	cpuacc_update(a, &s);
	c = cpuacc_cpus(a, &n);
	ck_assert_uint_eq(n, 2);
	for (uint32_t i = 0; i < n; i++) {
		ck_assert_uint_eq(c[i].time[CPUACC_USER], 2 * S);
		ck_assert_uint_eq(c[i].time[CPUACC_NICE], S / 2);
		ck_assert_uint_eq(c[i].time[CPUACC_SYSTEM], S);
		ck_assert_uint_eq(c[i].time[CPUACC_STEAL], S / 2);
		/* all ten seconds */
		ck_assert_uint_eq(c[i].time[CPUACC_IDLE], 6 * S);
	}
	cpuacc_total(a, &sum);
	ck_assert_uint_eq(sum.time[CPUACC_IDLE], 12 * S);
}
END_TEST

START_TEST(real_processors_keep_what_is_theirs)
{
	_cleanup_free_ struct cpuacc *a = new_acc();
	static const uint32_t ids[2] = { 1, 3 };
	uint64_t real[4][2] = { { 0 }, { 2 * S, S }, { 0 }, { 5 * S, 0 } };
	struct cpuacc_sample s = { .at = 10 * S,
				   .n = 2,
				   .used = { 7 * S, 0, S },
				   .real = (const uint64_t(*)[2])real,
				   .n_real = 4,
				   .id = ids };
	const struct cpuacc_cpu *c;
	uint32_t n;

	cpuacc_update(a, &s);
	c = cpuacc_cpus(a, &n);
	ck_assert_uint_eq(c[0].time[CPUACC_USER], 2 * S);
	ck_assert_uint_eq(c[0].time[CPUACC_SYSTEM], S);
	ck_assert_uint_eq(c[1].time[CPUACC_USER], 5 * S);
	/* on one that is no longer its own: anybody's */
	real[0][0] = 4 * S;
	s.used.user = 11 * S;
	s.at = 20 * S;
	cpuacc_update(a, &s);
	c = cpuacc_cpus(a, &n);
	ck_assert_uint_eq(c[0].time[CPUACC_USER], 4 * S);
	ck_assert_uint_eq(c[1].time[CPUACC_USER], 7 * S);
}
END_TEST

START_TEST(what_is_known_exactly_counts)
{
	_cleanup_free_ struct cpuacc *a = new_acc();
	static const uint32_t ids[2] = { 0, 1 };
	uint64_t real[2][2] = { { 6 * S, 0 }, { 0, 2 * S } };
	struct cpuacc_sample s = { .at = 10 * S,
				   .n = 2,
				   .used = { 6 * S, 0, 2 * S },
				   .exact = 4 * S,
				   .real = (const uint64_t(*)[2])real,
				   .n_real = 2,
				   .id = ids };
	const struct cpuacc_cpu *c;
	uint32_t n;

	cpuacc_update(a, &s);
	c = cpuacc_cpus(a, &n);
	ck_assert_uint_eq(c[0].time[CPUACC_USER], 3 * S);
	ck_assert_uint_eq(c[1].time[CPUACC_SYSTEM], S);
	/* less than a tick: as it was before */
	s.exact += S;
	s.at += S;
	cpuacc_update(a, &s);
	c = cpuacc_cpus(a, &n);
	ck_assert_uint_eq(c[0].time[CPUACC_USER] + c[1].time[CPUACC_USER],
			  3 * S + S * 3 / 4);
	ck_assert_uint_eq(c[0].time[CPUACC_SYSTEM] + c[1].time[CPUACC_SYSTEM],
			  S + S / 4);
}
END_TEST

START_TEST(a_group_that_begins_anew_takes_nothing_back)
{
	_cleanup_free_ struct cpuacc *a = new_acc();
	struct cpuacc_sample s = { .at = 10 * S,
				   .n = 1,
				   .used = { 5 * S, 0, 0 } };
	const struct cpuacc_cpu *c;
	uint32_t n;

	cpuacc_update(a, &s);
	s.used.user = S;
	s.at = 11 * S;
	cpuacc_update(a, &s);
	c = cpuacc_cpus(a, &n);
	ck_assert_uint_eq(c->time[CPUACC_USER], 5 * S);
	s.used.user = 2 * S;
	s.at = 12 * S;
	cpuacc_update(a, &s);
	c = cpuacc_cpus(a, &n);
	ck_assert_uint_eq(c->time[CPUACC_USER], 6 * S);
	ck_assert_uint_eq(c->time[CPUACC_IDLE], 6 * S);
}
END_TEST

/* Limits change, counters jump, servers are replaced: no time ever falls, and
 * none is from nowhere (an idle time of 10^18). */
START_TEST(no_time_ever_falls)
{
	_cleanup_free_ struct cpuacc *a = new_acc(), *copy = NULL;
	uint64_t seen[8][CPUACC_TIMES] = { { 0 } };
	struct cpuacc_sample s = { .at = S };
	struct cpuacc_cpu sum, last = { .alive = 0 };
	struct unit_rand r;

	unit_rand_start(&r);
	for (int i = 0; i < 5000; i++) {
		const struct cpuacc_cpu *c;
		uint32_t n;

		s.n = 1 + unit_rand(&r, 8);
		s.at += unit_rand(&r, 1000000000);
		s.used.user += unit_rand(&r, 2000000000);
		s.used.system += unit_rand(&r, 2000000000);
		s.throttled += unit_rand(&r, 3000000000u);
		s.exact = i < 2500 ? s.used.user / 2 + s.used.system : 0;
		if (unit_rand(&r, 50) == 0)
			memset(&s.used, 0, sizeof(s.used));
		if (unit_rand(&r, 50) == 0 && s.at > 2 * S)
			s.at -= S;
		if (unit_rand(&r, 20) == 0) {
			/* another process has the memory */
			copy = new_acc();
			memcpy(copy, a, sizeof(*a));
			free(a);
			a = TAKE_PTR(copy);
		}
		cpuacc_update(a, &s);
		c = cpuacc_cpus(a, &n);
		ck_assert_uint_eq(n, s.n);
		for (uint32_t k = 0; k < n; k++)
			for (unsigned t = 0; t < CPUACC_TIMES; t++) {
				ck_assert_uint_ge(c[k].time[t], seen[k][t]);
				seen[k][t] = c[k].time[t];
			}
		cpuacc_total(a, &sum);
		for (unsigned t = 0; t < CPUACC_TIMES; t++)
			ck_assert_uint_ge(sum.time[t], last.time[t]);
		last = sum;
		ck_assert_uint_le(sum.time[CPUACC_IDLE], 8 * 5000 * S);
	}
}
END_TEST

START_TEST(numbers_of_processors_beyond_reason)
{
	_cleanup_free_ struct cpuacc *a = new_acc();
	struct cpuacc_sample s = { .at = S, .n = 0 };
	uint32_t n;

	cpuacc_update(a, &s);
	cpuacc_cpus(a, &n);
	ck_assert_uint_eq(n, 1);
	s.n = UINT32_MAX;
	cpuacc_update(a, &s);
	cpuacc_cpus(a, &n);
	ck_assert_uint_eq(n, CPUACC_MAX);
}
END_TEST

Suite *test_cpuacc_suite(void)
{
	Suite *s = suite_create("cpuacc");
	TCase *t = tcase_create("cpuacc");

	tcase_add_test(t, what_was_used_is_spread);
	tcase_add_test(t, real_processors_keep_what_is_theirs);
	tcase_add_test(t, what_is_known_exactly_counts);
	tcase_add_test(t, a_group_that_begins_anew_takes_nothing_back);
	tcase_add_test(t, no_time_ever_falls);
	tcase_add_test(t, numbers_of_processors_beyond_reason);
	suite_add_tcase(s, t);
	return s;
}
