/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts of the kernel taken apart: honest ones, and others. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/numbers.h"
#include "fs/proc/procgather.h"
#include "fs/proc/procload.h"
#include "fs/proc/proctasks.h"
#include "fs/proc/proctext.h"

START_TEST(a_key_is_found_whole)
{
	static const char text[] = "mapped_file 1\nmapped 2\nMapped:  3 kB\n"
				   "  led 4\ntail 5";
	uint64_t v = 99;

	ck_assert(proctext_key(text, "mapped", &v));
	ck_assert_uint_eq(v, 2);
	ck_assert(proctext_key(text, "Mapped", &v));
	ck_assert_uint_eq(v, 3);
	ck_assert(proctext_key(text, "led", &v));
	ck_assert(proctext_key(text, "tail", &v));
	ck_assert_uint_eq(v, 5);
	ck_assert(!proctext_key(text, "map", &v));
	ck_assert(!proctext_key(text, "mapped_", &v));
	ck_assert(!proctext_key("", "mapped", &v));
	ck_assert(!proctext_key("mapped", "mapped", &v));
	ck_assert(!proctext_key("mapped x", "mapped", &v));
	ck_assert_uint_eq(v, 5);
}
END_TEST

static const struct {
	const char *text;
	uint64_t want; /* 7: none */
} numbers[] = {
	{ "0\n", 0 },
	{ "12", 12 },
	{ "max\n", UINT64_MAX },
	{ "18446744073709551615\n", UINT64_MAX },
	{ "99999999999999999999999\n", UINT64_MAX },
	{ "-1\n", 7 },
	{ "", 7 },
	{ "\n", 7 },
	{ "1 2\n", 7 },
	{ "x\n", 7 },
	{ "1x\n", 7 },
};

START_TEST(numbers_and_what_is_none)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		unit_row(numbers[i].text);
		ck_assert_uint_eq(proctext_number(numbers[i].text, 7),
				  numbers[i].want);
	}
}
END_TEST

static const struct {
	const char *text;
	unsigned n;
	uint32_t last;
} lists[] = {
	{ "0-3,8\n", 5, 8 },
	{ "0\n", 1, 0 },
	{ "2,4,6", 3, 6 },
	{ "0-1", 2, 1 },
	{ "0-99999999\n", 16, 15 },
	{ "\n", 0, 0 },
	{ "", 0, 0 },
	{ "3-1\n", 0, 0 },
	{ "1-\n", 0, 0 },
	{ "a\n", 0, 0 },
	{ "1;2\n", 0, 0 },
	{ "4294967295\n", 0, 0 },
	{ "0-99999999999999999999\n", 0, 0 },
};

START_TEST(lists_of_processors)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		uint32_t out[16];

		unit_row(lists[i].text);
		ck_assert_uint_eq(proctext_cpus(lists[i].text, out, 16),
				  lists[i].n);
		if (lists[i].n)
			ck_assert_uint_eq(out[lists[i].n - 1], lists[i].last);
	}
}
END_TEST

START_TEST(memory_of_both_kinds)
{
	uint64_t m[NUMBERS_MEM];

	numbers_parse_mem("cache 1\nmapped_file 2\ntotal_cache 4096\n"
			  "total_rss_huge 5\ntotal_rss 8192\n"
			  "total_mapped_file 12288\ntotal_swap 9\n",
			  false, m);
	ck_assert_uint_eq(m[NUMBERS_FILE], 4096);
	ck_assert_uint_eq(m[NUMBERS_ANON], 8192);
	ck_assert_uint_eq(m[NUMBERS_ANON_THP], 5);
	ck_assert_uint_eq(m[NUMBERS_MAPPED], 12288);
	ck_assert_uint_eq(m[NUMBERS_SWAP], 9);
	numbers_parse_mem("anon 1\nfile 2\nfile_mapped 3\nfile_dirty 4\n"
			  "slab_reclaimable 5\nfile_thp x\nanon_thp\n\n",
			  true, m);
	ck_assert_uint_eq(m[NUMBERS_ANON], 1);
	ck_assert_uint_eq(m[NUMBERS_MAPPED], 3);
	ck_assert_uint_eq(m[NUMBERS_DIRTY], 4);
	ck_assert_uint_eq(m[NUMBERS_SLAB_RECLAIMABLE], 5);
	ck_assert_uint_eq(m[NUMBERS_FILE_THP], 0);
	ck_assert_uint_eq(m[NUMBERS_SWAP], 0);
}
END_TEST

START_TEST(processor_time_of_both_kinds)
{
	struct cpuacc_used used;
	uint64_t real[4][2];

	numbers_parse_cpu("usage_usec 9\nuser_usec 5\nsystem_usec 4\n"
			  "nice_usec 2\n",
			  &used);
	ck_assert_uint_eq(used.user, 3000);
	ck_assert_uint_eq(used.nice, 2000);
	ck_assert_uint_eq(used.system, 4000);
	/* nice beyond user does not make it negative */
	numbers_parse_cpu("user_usec 5\nnice_usec 7\n", &used);
	ck_assert_uint_eq(used.user, 0);
	ck_assert_uint_eq(used.nice, 5000);
	ck_assert_uint_eq(numbers_parse_throttled("throttled_usec 3\n"), 3000);
	ck_assert_uint_eq(numbers_parse_throttled("throttled_time 3\n"), 3);
	ck_assert_uint_eq(numbers_parse_throttled(""), 0);
	ck_assert_uint_eq(numbers_parse_usage("cpu user system\n0 10 20\n"
					      "3 30 40\n99999 1 1\nx y z\n2\n",
					      real, 4),
			  4);
	ck_assert_uint_eq(real[0][1], 20);
	ck_assert_uint_eq(real[2][0], 0);
	ck_assert_uint_eq(real[3][0], 30);
}
END_TEST

START_TEST(disks_of_both_kinds)
{
	struct numbers_io io;

	numbers_parse_io("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=3 "
			 "dios=1\n8:16 rbytes=5\n7:0\nrbytes=x\n",
			 &io);
	ck_assert_uint_eq(io.read, 15);
	ck_assert_uint_eq(io.written, 20);
	ck_assert_uint_eq(io.reads, 1);
	ck_assert_uint_eq(io.discarded, 3);
	numbers_parse_io_v1("8:0 Read 512\n8:0 Write 1024\n8:0 Sync 9\n"
			    "8:16 Read 512\nTotal 2048\n",
			    "8:0 Read 2\n8:0 Write\nTotal 2\n", &io);
	ck_assert_uint_eq(io.read, 1024);
	ck_assert_uint_eq(io.written, 1024);
	ck_assert_uint_eq(io.reads, 2);
	ck_assert_uint_eq(io.writes, 0);
}
END_TEST

START_TEST(a_name_may_have_any_characters)
{
	static const char rest[] =
		" S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 1 2\n";
	char text[256], state = '?';
	uint64_t start = 0;

	snprintf(text, sizeof(text), "1 (my ) init)%s", rest);
	ck_assert_int_eq(proctasks_parse(text, &state, &start), 0);
	ck_assert_int_eq(state, 'S');
	ck_assert_uint_eq(start, 777);
	snprintf(text, sizeof(text), "1 () R 1 2)\n9) (%s%s", ")", rest);
	ck_assert_int_eq(proctasks_parse(text, &state, &start), 0);
	ck_assert_uint_eq(start, 777);
	ck_assert_int_eq(proctasks_parse("", &state, &start), -EINVAL);
	ck_assert_int_eq(proctasks_parse("1 (a) S 1", &state, &start), -EINVAL);
	ck_assert_int_eq(proctasks_parse("1 (a", &state, &start), -EINVAL);
}
END_TEST

START_TEST(sockets_are_counted)
{
	struct procextra x = { .files = 0 };

	procgather_sockets("sockets: used 290\nTCP: inuse 6 orphan 1 tw 0 "
			   "alloc 9 mem 1\nUDP: inuse 2 mem 3\nRAW: inuse 1\n"
			   "FRAG: inuse 0 memory 0\nTCP6: inuse 3\nUDP6:\n",
			   &x);
	ck_assert_uint_eq(x.tcp_sockets, 9);
	ck_assert_uint_eq(x.other_sockets, 3);
}
END_TEST

#define S 1000000000ull

START_TEST(load_grows_and_falls_as_the_kernels)
{
	struct procload l = { .at = 0 };
	struct procload_sample s = {
		.at = 100 * S, .start = 95 * S, .active = 1, .milli = 2000
	};

	procload_update(&l, &s);
	/* 1 - e^(-5/60) */
	ck_assert_uint_eq(l.avg[0] * 1000 / PROCLOAD_ONE, 79);
	for (int i = 1; i < 12; i++) {
		s.at += 5 * S;
		s.used += 5 * S;
		procload_update(&l, &s);
	}
	/* after a minute: 1 - 1/e */
	ck_assert_uint_eq(l.avg[0] * 1000 / PROCLOAD_ONE, 632);
	ck_assert(!procload_is_due(&l, s.at + 4 * S));
	/* an hour of nothing, unobserved */
	s.active = 0;
	s.at += 3600 * S;
	procload_update(&l, &s);
	ck_assert_uint_eq(l.avg[0], 0);
	ck_assert_uint_lt(l.avg[2] * 1000 / PROCLOAD_ONE, 2);
}
END_TEST

START_TEST(load_that_nobody_saw_is_made_up)
{
	struct procload l = { .at = 0 };
	struct procload_sample s = { .at = 5 * S, .milli = 1500 };

	procload_update(&l, &s);
	/* a processor's worth of work for an hour, none of it now */
	s.at += 3600 * S;
	s.used += 3600 * S;
	procload_update(&l, &s);
	ck_assert_uint_ge(l.avg[1] * 100 / PROCLOAD_ONE, 95);
	ck_assert_uint_le(l.avg[1], PROCLOAD_ONE);
	/* all that it may use, and ten that want it: they waited */
	s.active = 10;
	s.at += 5 * S;
	s.used += 7 * S;
	procload_update(&l, &s);
	s.at += 3600 * S;
	s.used += 5400 * S;
	procload_update(&l, &s);
	ck_assert_uint_ge(l.avg[0] * 100 / PROCLOAD_ONE, 990);
	/* a clock or a counter that goes back */
	s.at -= 100 * S;
	s.used = 0;
	procload_update(&l, &s);
	ck_assert_uint_ge(l.avg[0] * 100 / PROCLOAD_ONE, 990);
}
END_TEST

/* Random bytes, of those that texts are made of. */
START_TEST(any_text_can_be_read)
{
	static const char of[] = "0123456789 \n\t:.,-=()maxRSD totalcpu/";
	static char text[513];
	struct unit_rand r;

	unit_rand_start(&r);
	for (int i = 0; i < 20000; i++) {
		uint64_t m[NUMBERS_MEM], real[8][2], start;
		struct procextra x = { .files = 0 };
		struct cpuacc_used used;
		struct numbers_io io;
		uint32_t cpus[8], n = unit_rand(&r, sizeof(text));
		char state;

		for (uint32_t k = 0; k < n; k++)
			text[k] = of[unit_rand(&r, sizeof(of) - 1)];
		text[n] = '\0';
		numbers_parse_mem(text, n & 1, m);
		numbers_parse_cpu(text, &used);
		numbers_parse_io(text, &io);
		numbers_parse_io_v1(text, text, &io);
		ck_assert_uint_le(numbers_parse_usage(text, real, 8), 8);
		ck_assert_uint_le(proctext_cpus(text, cpus, 8), 8);
		proctasks_parse(text, &state, &start);
		procgather_sockets(text, &x);
	}
}
END_TEST

Suite *test_proctext_suite(void)
{
	Suite *s = suite_create("proctext");
	TCase *t = tcase_create("proctext");

	tcase_add_test(t, a_key_is_found_whole);
	tcase_add_test(t, numbers_and_what_is_none);
	tcase_add_test(t, lists_of_processors);
	tcase_add_test(t, memory_of_both_kinds);
	tcase_add_test(t, processor_time_of_both_kinds);
	tcase_add_test(t, disks_of_both_kinds);
	tcase_add_test(t, a_name_may_have_any_characters);
	tcase_add_test(t, sockets_are_counted);
	tcase_add_test(t, load_grows_and_falls_as_the_kernels);
	tcase_add_test(t, load_that_nobody_saw_is_made_up);
	tcase_add_test(t, any_text_can_be_read);
	suite_add_tcase(s, t);
	return s;
}
