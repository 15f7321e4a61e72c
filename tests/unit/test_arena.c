/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/arena.h"
#include "fs/base/cleanup.h"

#define SLABS 64u

static struct shm mem;

static struct arena *set_up(size_t slabs)
{
	struct arena *a;

	ck_assert_int_eq(shm_new(&mem, "unit", slabs * ARENA_SLAB), 0);
	a = arena_new(&mem);
	ck_assert_ptr_nonnull(a);
	ck_assert_uint_eq(arena_used(a), 0);
	return a;
}

static void tear_down(struct arena *a)
{
	arena_free(a);
	shm_free(&mem);
}

START_TEST(pieces_of_every_size)
{
	struct arena *a = set_up(SLABS);

	for (size_t len = 1; len <= ARENA_MAX; len++) {
		uint64_t off = arena_alloc(a, len);

		ck_assert_uint_ne(off, 0);
		ck_assert_uint_le(off + len, mem.size);
		memset(arena_at(&mem, off), 'x', len);
		ck_assert_uint_eq(arena_used(a), ARENA_SLAB);
		arena_release(a, off);
		ck_assert_uint_eq(arena_used(a), 0);
	}
	ck_assert_uint_eq(arena_alloc(a, ARENA_MAX + 1), 0);
	ck_assert_uint_eq(arena_alloc(a, SIZE_MAX), 0);
	arena_release(a, 0);
	ck_assert_uint_eq(arena_used(a), 0);
	tear_down(a);
	arena_free(NULL);
}
END_TEST

START_TEST(a_full_region_gives_nothing_and_then_again)
{
	struct arena *a = set_up(SLABS);
	uint64_t off[SLABS], n = 0;

	while ((off[n] = arena_alloc(a, ARENA_MAX)) != 0)
		ck_assert_uint_lt(++n, SLABS);
	/* Its own book-keeping takes one slab of so few. */
	ck_assert_uint_eq(n, SLABS - 1);
	ck_assert_uint_eq(arena_alloc(a, 1), 0);
	arena_release(a, off[17]);
	ck_assert_uint_eq(arena_alloc(a, 1), off[17]);
	ck_assert_uint_eq(arena_alloc(a, ARENA_MAX), 0);
	tear_down(a);
}
END_TEST

START_TEST(a_region_too_small_for_anything)
{
	struct arena *a = set_up(1);

	ck_assert_uint_eq(arena_alloc(a, 1), 0);
	tear_down(a);
}
END_TEST

static blkcnt_t blocks(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(mem.fd, &st), 0);
	return st.st_blocks * 512 / SHM_PAGE;
}

START_TEST(empty_slabs_go_back_to_the_system)
{
	struct arena *a = set_up(SLABS);
	uint64_t off[1000];

	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		off[i] = arena_alloc(a, 200);
		memset(arena_at(&mem, off[i]), 'x', 200);
	}
	ck_assert_int_ge(blocks(), 1000 * 200 / SHM_PAGE);
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		arena_release(a, off[i]);
	ck_assert_uint_eq(arena_used(a), 0);
	/* What stays is the page of its own book-keeping. */
	ck_assert_int_le(blocks(), 1);
	tear_down(a);
}
END_TEST

#define PIECES 600

struct piece {
	uint64_t off;
	size_t len;
	unsigned char fill;
};

static void check_piece(const struct piece *p)
{
	static unsigned char want[ARENA_MAX];

	memset(want, p->fill, p->len);
	ck_assert(!memcmp(arena_at(&mem, p->off), want, p->len));
}

/* Pieces come, go and never share a byte. */
static void churn(struct arena *a, struct piece *pieces, struct unit_rand *r,
		  int rounds)
{
	for (int i = 0; i < rounds; i++) {
		struct piece *p = &pieces[unit_rand(r, PIECES)];

		if (p->off) {
			check_piece(p);
			arena_release(a, p->off);
			p->off = 0;
			continue;
		}
		p->len = 1 + unit_rand(r, unit_rand(r, 10) ? 300 : ARENA_MAX);
		p->off = arena_alloc(a, p->len);
		if (!p->off)
			continue;
		p->fill = (unsigned char)unit_rand(r, 256);
		memset(arena_at(&mem, p->off), p->fill, p->len);
	}
}

START_TEST(random_pieces_and_a_successor)
{
	static struct piece pieces[PIECES];
	struct arena *a = set_up(SLABS);
	struct unit_rand r;
	size_t used;

	unit_rand_start(&r);
	for (int life = 0; life < 5; life++) {
		churn(a, pieces, &r, 20000);
		used = arena_used(a);
		arena_free(a);

		a = arena_new(&mem);
		ck_assert_ptr_nonnull(a);
		for (size_t i = 0; i < PIECES; i++)
			if (pieces[i].off)
				ck_assert_int_eq(arena_mark(a, pieces[i].off),
						 0);
		ck_assert_uint_eq(arena_used(a), used);
		for (size_t i = 0; i < PIECES; i++)
			if (pieces[i].off)
				check_piece(&pieces[i]);
	}
	for (size_t i = 0; i < PIECES; i++)
		arena_release(a, pieces[i].off);
	ck_assert_uint_eq(arena_used(a), 0);
	tear_down(a);
}
END_TEST

/* What a damaged table may name; nothing of it may be taken, or change. */
START_TEST(marks_that_cannot_be)
{
	struct arena *a = set_up(SLABS), *b;
	uint64_t off = arena_alloc(a, 96), other = arena_alloc(a, 8192);
	uint64_t tail = off / ARENA_SLAB * ARENA_SLAB + 85ull * 96;
	const uint64_t bad[] = {
		0,
		1,
		ARENA_SLAB - 1,
		tail,
		tail + 31,
		off + 1,
		off + 95,
		other + 32,
		mem.size - ARENA_SLAB,
		mem.size,
		UINT64_MAX,
		1ull << 32,
		(1ull << 32) * ARENA_SLAB,
		((1ull << 32) + 1) * ARENA_SLAB,
	};

	b = arena_new(&mem);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_msg(arena_mark(b, bad[i]) == -EUCLEAN,
			      "mark %#llx (a piece of 96 is at %#llx)",
			      (unsigned long long)bad[i],
			      (unsigned long long)off);
		ck_assert_msg(!arena_used(b), "mark %#llx left a slab in use",
			      (unsigned long long)bad[i]);
	}
	ck_assert_int_eq(arena_mark(b, off), 0);
	ck_assert_int_eq(arena_mark(b, off), -EUCLEAN);
	ck_assert_uint_eq(arena_used(b), ARENA_SLAB);
	ck_assert_int_eq(arena_mark(b, other), 0);
	ck_assert_int_eq(arena_mark(b, other), -EUCLEAN);
	arena_free(b);
	tear_down(a);
}
END_TEST

START_TEST(a_damaged_class_is_refused)
{
	struct arena *a = set_up(SLABS), *b;
	uint64_t off = arena_alloc(a, 32);

	((uint8_t *)mem.base)[off / ARENA_SLAB] = 200;
	b = arena_new(&mem);
	ck_assert_int_eq(arena_mark(b, off), -EUCLEAN);
	arena_free(b);
	tear_down(a);
}
END_TEST

Suite *test_arena_suite(void)
{
	Suite *s = suite_create("arena");
	TCase *t = tcase_create("arena");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, pieces_of_every_size);
	tcase_add_test(t, a_full_region_gives_nothing_and_then_again);
	tcase_add_test(t, a_region_too_small_for_anything);
	tcase_add_test(t, empty_slabs_go_back_to_the_system);
	tcase_add_test(t, random_pieces_and_a_successor);
	tcase_add_test(t, marks_that_cannot_be);
	tcase_add_test(t, a_damaged_class_is_refused);
	suite_add_tcase(s, t);
	return s;
}
