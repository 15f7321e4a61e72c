/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/htable.h"

static struct htable *t;

static int any_fd(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static uint64_t add(uint64_t nodeid, int fd)
{
	struct handle like = { .nodeid = nodeid, .flags = O_RDWR, .pass = 1 };
	uint64_t fh = htable_add(t, &like, fd);

	ck_assert_uint_ne(fh, 0);
	return fh;
}

START_TEST(a_handle_is_what_it_was_made_of)
{
	struct handle *h;
	uint64_t a, b;
	int fd;

	t = htable_new(-1);
	ck_assert_ptr_nonnull(t);
	fd = any_fd();
	a = add(11, fd);
	b = add(12, -1);
	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq(htable_count(t), 2);
	h = htable_get(t, a);
	ck_assert_ptr_nonnull(h);
	ck_assert_uint_eq(h->nodeid, 11);
	ck_assert_uint_eq(h->flags, O_RDWR);
	ck_assert_uint_eq(h->pass, 1);
	ck_assert_int_eq(h->fd, fd + 1);
	h = htable_get(t, b);
	ck_assert_uint_eq(h->nodeid, 12);
	ck_assert_int_eq(h->fd, 0);
	ck_assert_uint_eq(h->fd_lower, 0);
	htable_free(t);
	htable_free(NULL);
}
END_TEST

static void sum_up(void *ctx, const struct handle *h)
{
	*(uint64_t *)ctx += h->nodeid;
}

START_TEST(each_handle)
{
	uint64_t sum = 0, fh;

	t = htable_new(-1);
	htable_each(t, sum_up, &sum);
	ck_assert_uint_eq(sum, 0);
	add(1, -1);
	fh = add(10, -1);
	add(100, -1);
	htable_each(t, sum_up, &sum);
	ck_assert_uint_eq(sum, 111);
	htable_remove(t, fh);
	sum = 0;
	htable_each(t, sum_up, &sum);
	ck_assert_uint_eq(sum, 101);
	htable_free(t);
}
END_TEST

START_TEST(numbers_of_nothing)
{
	uint64_t a;

	t = htable_new(-1);
	ck_assert_ptr_null(htable_get(t, 0));
	ck_assert_ptr_null(htable_get(t, 1));
	ck_assert_ptr_null(htable_get(t, UINT64_MAX));
	a = add(1, -1);
	ck_assert_ptr_null(htable_get(t, (uint32_t)a));
	ck_assert_ptr_null(htable_get(t, a + (1ull << 32)));
	ck_assert_ptr_null(htable_get(t, a + 1));
	htable_remove(t, a + (1ull << 32));
	htable_remove(t, 0);
	ck_assert_ptr_nonnull(htable_get(t, a));
	htable_remove(t, a);
	ck_assert_ptr_null(htable_get(t, a));
	htable_remove(t, a);
	ck_assert_uint_eq(htable_count(t), 0);
	htable_free(t);
}
END_TEST

START_TEST(descriptors_are_closed)
{
	size_t before = unit_count_fds();
	uint64_t fh[50];

	t = htable_new(-1);
	for (unsigned n = 0; n < 50; n++)
		fh[n] = add(n, any_fd());
	ck_assert_uint_eq(unit_count_fds(), before + 1 + 50);
	for (unsigned n = 0; n < 50; n += 2)
		htable_remove(t, fh[n]);
	ck_assert_uint_eq(unit_count_fds(), before + 1 + 25);
	htable_free(t);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_number_is_not_used_again)
{
	uint64_t last = 0;
	unsigned same_place = 0;

	t = htable_new(-1);
	for (unsigned n = 0; n < 10000; n++) {
		uint64_t fh = add(n, -1);

		ck_assert_uint_gt(fh >> 32, last >> 32);
		same_place += (uint32_t)fh == (uint32_t)last;
		last = fh;
		htable_remove(t, fh);
	}
	ck_assert_uint_gt(same_place, 5000);
	htable_free(t);
}
END_TEST

START_TEST(a_full_table)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	unit_skip("too much memory with a sanitizer");
#else
	struct handle like = { .nodeid = 1 };
	uint64_t fh, last = 0, n = 0;
	size_t before;

	t = htable_new(-1);
	while ((fh = htable_add(t, &like, -1)) != 0) {
		last = fh;
		ck_assert_uint_lt(++n, 64u << 20);
	}
	ck_assert_uint_gt(n, 1u << 20);
	before = unit_count_fds();
	ck_assert_uint_eq(htable_add(t, &like, any_fd()), 0);
	ck_assert_uint_eq(unit_count_fds(), before);
	ck_assert_uint_eq(htable_count(t), n);
	htable_remove(t, last);
	fh = htable_add(t, &like, -1);
	ck_assert_uint_ne(fh, 0);
	ck_assert_uint_ne(fh, last);
	htable_free(t);
#endif
}
END_TEST

START_TEST(no_room_for_a_table)
{
	struct rlimit small = { 4096, RLIM_INFINITY };
	size_t before = unit_count_fds();

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_ptr_null(htable_new(-1));
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

/* In a process that takes over. */

static bool keep_even(void *ctx, const struct handle *h)
{
	++*(unsigned *)ctx;
	return h->nodeid % 2 == 0;
}

static void note_fd(void *ctx, int fd)
{
	unsigned *sum = ctx;

	*sum += (unsigned)fd;
}

START_TEST(told_or_pending)
{
	uint64_t a;

	t = htable_new(-1);
	a = add(1, -1);
	ck_assert_uint_eq(htable_get(t, a)->pending, 1);
	htable_confirm(t, a + (1ull << 32));
	htable_confirm(t, 0);
	ck_assert_uint_eq(htable_get(t, a)->pending, 1);
	htable_confirm(t, a);
	ck_assert_uint_eq(htable_get(t, a)->pending, 0);
	htable_confirm(t, a);
	htable_remove(t, a);
	htable_confirm(t, a);
	/* Its place is somebody else's then. */
	a = add(2, -1);
	ck_assert_uint_eq(htable_get(t, a)->pending, 1);
	htable_free(t);
}
END_TEST

START_TEST(what_was_told_of_is_kept)
{
	enum { COUNT = 40 };
	uint64_t fh[COUNT], fresh[COUNT];
	unsigned asked = 0, kept = 0;
	size_t fds;

	t = htable_new(-1);
	fds = unit_count_fds();
	for (unsigned n = 0; n < COUNT; n++)
		fh[n] = add(n, any_fd());
	for (unsigned n = 0; n < COUNT; n++) {
		if (n % 4 != 0)
			htable_confirm(t, fh[n]);
		if (n % 5 == 0)
			htable_remove(t, fh[n]);
	}
	htable_recover(t, keep_even, &asked);
	for (unsigned n = 0; n < COUNT; n++) {
		bool told = n % 4 != 0 && n % 5 != 0, want = told && n % 2 == 0;

		ck_assert_int_eq(htable_get(t, fh[n]) != NULL, want);
		kept += want;
		asked -= told;
	}
	ck_assert_msg(asked == 0, "only what was told of is asked about");
	ck_assert_uint_eq(htable_count(t), kept);
	ck_assert_uint_eq(unit_count_fds(), fds + kept);
	/* The rest is free, all of it, and no number comes again. */
	for (unsigned n = 0; n < COUNT - kept; n++) {
		fresh[n] = add(100 + n, -1);
		ck_assert_uint_le((uint32_t)fresh[n], COUNT);
		for (unsigned k = 0; k < COUNT; k++)
			ck_assert_uint_ne(fresh[n], fh[k]);
		for (unsigned k = 0; k < n; k++)
			ck_assert_uint_ne((uint32_t)fresh[n],
					  (uint32_t)fresh[k]);
	}
	ck_assert_uint_gt((uint32_t)add(1, -1), COUNT);
	ck_assert_uint_eq(htable_count(t), COUNT + 1);
	/* Done twice it is as done once, but for what is pending. */
	htable_recover(t, keep_even, &asked);
	ck_assert_uint_eq(htable_count(t), kept);
	htable_free(t);
}
END_TEST

START_TEST(nothing_to_recover)
{
	unsigned asked = 0;

	t = htable_new(-1);
	htable_recover(t, keep_even, &asked);
	ck_assert_uint_eq(htable_count(t), 0);
	ck_assert_uint_eq(asked, 0);
	ck_assert_uint_eq((uint32_t)add(1, -1), 1);
	htable_free(t);
}
END_TEST

START_TEST(descriptors_that_are_open)
{
	unsigned sum = 0, want = 0;
	uint64_t gone;

	t = htable_new(-1);
	htable_fds(t, note_fd, &sum);
	ck_assert_uint_eq(sum, 0);
	for (unsigned n = 0; n < 10; n++) {
		int fd = any_fd();

		want += (unsigned)fd;
		add(n, fd);
		add(n, -1);
	}
	gone = add(10, any_fd());
	htable_remove(t, gone);
	htable_fds(t, note_fd, &sum);
	ck_assert_uint_eq(sum, want);
	htable_free(t);
}
END_TEST

START_TEST(another_table_of_the_same_memory)
{
	struct htable *first;
	unsigned asked = 0;
	uint64_t a, b;

	t = first = htable_new(-1);
	a = add(2, -1);
	b = add(4, -1);
	htable_confirm(t, a);
	t = htable_new(dup(htable_fd(first)));
	ck_assert_ptr_nonnull(t);
	htable_recover(t, keep_even, &asked);
	ck_assert_ptr_nonnull(htable_get(t, a));
	ck_assert_uint_eq(htable_get(t, a)->nodeid, 2);
	ck_assert_ptr_null(htable_get(t, b));
	ck_assert_uint_ne(add(6, -1), b);
	ck_assert_uint_eq(htable_count(first), 2);
	htable_free(t);
	htable_free(first);
}
END_TEST

START_TEST(memory_that_is_none)
{
	size_t before = unit_count_fds();
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_ptr_null(htable_new(fds[0]));
	ck_assert_ptr_null(htable_new(fds[1]));
	ck_assert_msg(unit_count_fds() == before, "taken in every case");
}
END_TEST

static void *churn(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	uint64_t fh[16] = { 0 };

	for (unsigned n = 0; n < 20000; n++) {
		unsigned k = (unsigned)rand_r(&seed) % ARRAY_SIZE(fh);
		uint64_t mine = (uintptr_t)arg << 32 | k;

		if (fh[k]) {
			struct handle *h = htable_get(t, fh[k]);

			ck_assert_ptr_nonnull(h);
			ck_assert_uint_eq(h->nodeid, mine);
			htable_remove(t, fh[k]);
			fh[k] = 0;
		} else {
			fh[k] = add(mine, n % 8 ? -1 : any_fd());
		}
	}
	for (unsigned k = 0; k < ARRAY_SIZE(fh); k++)
		htable_remove(t, fh[k]);
	return NULL;
}

START_TEST(threads_do_not_share_a_handle)
{
	pthread_t th[4];
	size_t before;

	t = htable_new(-1);
	before = unit_count_fds();
	for (uintptr_t n = 0; n < 4; n++)
		pthread_create(&th[n], NULL, churn, (void *)(n + 1));
	for (unsigned n = 0; n < 4; n++)
		pthread_join(th[n], NULL);
	ck_assert_uint_eq(htable_count(t), 0);
	ck_assert_uint_eq(unit_count_fds(), before);
	htable_free(t);
}
END_TEST

Suite *test_htable_suite(void)
{
	Suite *s = suite_create("htable");
	TCase *c = tcase_create("htable");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, a_handle_is_what_it_was_made_of);
	tcase_add_test(c, each_handle);
	tcase_add_test(c, numbers_of_nothing);
	tcase_add_test(c, descriptors_are_closed);
	tcase_add_test(c, a_number_is_not_used_again);
	tcase_add_test(c, a_full_table);
	tcase_add_test(c, no_room_for_a_table);
	tcase_add_test(c, told_or_pending);
	tcase_add_test(c, what_was_told_of_is_kept);
	tcase_add_test(c, nothing_to_recover);
	tcase_add_test(c, descriptors_that_are_open);
	tcase_add_test(c, another_table_of_the_same_memory);
	tcase_add_test(c, memory_that_is_none);
	tcase_add_test(c, threads_do_not_share_a_handle);
	suite_add_tcase(s, c);
	return s;
}
