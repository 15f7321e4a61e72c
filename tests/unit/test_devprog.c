/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devprog: what the assembled program says, run by hand. */
#include "tests/unit/unit.h"

#include <stdbool.h>

#include "fs/base/cleanup.h"
#include "tools/ct/devprog.h"

#define RULES_MAX 64u

struct request {
	uint32_t access_type, major, minor;
};

static uint32_t load_word(const struct request *q, int off)
{
	ck_assert(off == 0 || off == 4 || off == 8);
	return off == 0 ? q->access_type : off == 4 ? q->major : q->minor;
}

/* The few instructions that it is made of; only forward, so it ends. */
static int64_t run(const struct bpf_insn *code, size_t n,
		   const struct request *q)
{
	uint64_t r[11] = { 0 };

	for (size_t at = 0; at < n; at++) {
		const struct bpf_insn *i = &code[at];
		uint64_t imm = (uint64_t)(int64_t)i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			ck_assert_uint_eq(i->src_reg, BPF_REG_1);
			r[i->dst_reg] = load_word(q, i->off);
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
			r[i->dst_reg] = r[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = imm;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			r[i->dst_reg] &= imm;
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			r[i->dst_reg] >>= imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			ck_assert_int_ge(i->off, 0);
			if (r[i->dst_reg] != imm)
				at += (size_t)i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int64_t)r[BPF_REG_0];
		default:
			ck_abort_msg("instruction %#x", i->code);
		}
	}
	ck_abort_msg("it runs off its end");
	return -1;
}

static bool allows(const struct devprog_rule *rules, size_t n, char type,
		   unsigned access, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].type == type && !(access & ~rules[i].access) &&
		    (rules[i].major == DEVPROG_ANY ||
		     rules[i].major == major) &&
		    (rules[i].minor == DEVPROG_ANY || rules[i].minor == minor))
			return true;
	return false;
}

static void check(const struct devprog_rule *rules, size_t n)
{
	struct bpf_insn code[DEVPROG_SIZE(RULES_MAX)];
	size_t size = devprog_assemble(code, rules, n);

	ck_assert_uint_le(size, DEVPROG_SIZE(n));
	for (unsigned k = 0; k < 2u * 8 * 6 * 6; k++) {
		char type = k & 1 ? 'b' : 'c';
		unsigned access = k / 2 % 8;
		uint32_t major = k / 16 % 6, minor = k / 96;
		struct request q = { .major = major, .minor = minor };

		q.access_type = type == 'b' ? BPF_DEVCG_DEV_BLOCK
					    : BPF_DEVCG_DEV_CHAR;
		q.access_type |=
			((access & DEVPROG_READ ? BPF_DEVCG_ACC_READ : 0) |
			 (access & DEVPROG_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
			 (access & DEVPROG_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0u))
			<< 16;
		ck_assert_int_eq(run(code, size, &q),
				 allows(rules, n, type, access, major, minor));
	}
}

START_TEST(it_allows_what_the_rules_do)
{
	struct devprog_rule rules[RULES_MAX];
	struct unit_rand rand;

	unit_rand_start(&rand);
	for (int round = 0; round < 40; round++) {
		size_t n = unit_rand(&rand, RULES_MAX + 1);

		for (size_t i = 0; i < n; i++) {
			uint32_t minor = unit_rand(&rand, 7);

			rules[i].type = unit_rand(&rand, 2) ? 'b' : 'c';
			rules[i].major = unit_rand(&rand, 6);
			rules[i].minor = minor == 6 ? DEVPROG_ANY : minor;
			rules[i].access = unit_rand(&rand, 8);
		}
		check(rules, n);
	}
}
END_TEST

START_TEST(no_rules_allow_nothing)
{
	struct bpf_insn code[DEVPROG_SIZE(0)];
	size_t size = devprog_assemble(code, NULL, 0);
	struct request q = { .access_type = BPF_DEVCG_ACC_READ << 16 |
					    BPF_DEVCG_DEV_CHAR,
			     .major = 1,
			     .minor = 3 };

	ck_assert_int_eq(run(code, size, &q), 0);
}
END_TEST

START_TEST(the_largest_numbers)
{
	struct devprog_rule rule = { 'b', 4095, (1u << 20) - 1, DEVPROG_READ };
	struct bpf_insn code[DEVPROG_SIZE(1)];
	size_t size = devprog_assemble(code, &rule, 1);
	struct request q = { .access_type = BPF_DEVCG_ACC_READ << 16 |
					    BPF_DEVCG_DEV_BLOCK,
			     .major = 4095,
			     .minor = (1u << 20) - 1 };

	ck_assert_int_eq(run(code, size, &q), 1);
	q.minor--;
	ck_assert_int_eq(run(code, size, &q), 0);
}
END_TEST

Suite *test_devprog_suite(void)
{
	Suite *s = suite_create("devprog");
	TCase *t = tcase_create("devprog");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, it_allows_what_the_rules_do);
	tcase_add_test(t, no_rules_allow_nothing);
	tcase_add_test(t, the_largest_numbers);
	suite_add_tcase(s, t);
	return s;
}
