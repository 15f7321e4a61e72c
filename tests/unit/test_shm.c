/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/shm.h"

static blkcnt_t blocks(const struct shm *s)
{
	struct stat st;

	ck_assert_int_eq(fstat(s->fd, &st), 0);
	return st.st_blocks;
}

START_TEST(a_region_is_zero_and_costs_nothing)
{
	size_t fds = unit_count_fds();
	struct shm s = { 0 };

	ck_assert_int_eq(shm_new(&s, "unit", 1 << 30), 0);
	ck_assert_uint_eq(s.size, 1 << 30);
	ck_assert_int_eq(fcntl(s.fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(((char *)s.base)[0], 0);
	ck_assert_int_eq(((char *)s.base)[s.size - 1], 0);
	shm_free(&s);
	ck_assert_ptr_null(s.base);
	shm_free(&s);
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(it_outlives_its_mapping)
{
	struct shm s = { 0 };
	char *again;
	int fd;

	ck_assert_int_eq(shm_new(&s, "unit", 8 * SHM_PAGE), 0);
	memcpy((char *)s.base + SHM_PAGE, "kept", 5);
	fd = dup(s.fd);
	shm_free(&s);
	again = mmap(NULL, 8 * SHM_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(again, MAP_FAILED);
	ck_assert_str_eq(again + SHM_PAGE, "kept");
	munmap(again, 8 * SHM_PAGE);
	close(fd);
}
END_TEST

static const struct {
	size_t off, len, first, end; /* in bytes, in pages given back */
} giving[] = {
	{ 0, SHM_PAGE, 0, 1 },
	{ 0, 16 * SHM_PAGE, 0, 16 },
	{ 3 * SHM_PAGE, 2 * SHM_PAGE, 3, 5 },
	{ 3 * SHM_PAGE + 1, 2 * SHM_PAGE, 4, 5 },
	{ 3 * SHM_PAGE - 1, 2 * SHM_PAGE + 1, 3, 5 },
	{ 3 * SHM_PAGE - 1, 2 * SHM_PAGE, 3, 4 },
	{ 3 * SHM_PAGE, SHM_PAGE - 1, 0, 0 },
	{ 3 * SHM_PAGE + 1, SHM_PAGE, 0, 0 },
	{ 3 * SHM_PAGE + 1, SHM_PAGE - 1, 0, 0 },
	{ 5, 0, 0, 0 },
	{ 5, 10, 0, 0 },
	{ SHM_PAGE, 0, 0, 0 },
};

START_TEST(only_whole_pages_are_given_back)
{
	struct shm s = { 0 };
	size_t pages = 16;

	ck_assert_int_eq(shm_new(&s, "unit", pages * SHM_PAGE), 0);
	memset(s.base, 'x', s.size);
	ck_assert_int_eq(blocks(&s), (int)(pages * SHM_PAGE / 512));

	shm_giveback(&s, giving[_i].off, giving[_i].len);
	for (size_t i = 0; i < pages; i++) {
		bool gone = i >= giving[_i].first && i < giving[_i].end;
		char want[SHM_PAGE];

		memset(want, gone ? 0 : 'x', sizeof(want));
		ck_assert(
			!memcmp((char *)s.base + i * SHM_PAGE, want, SHM_PAGE));
	}
	shm_free(&s);
}
END_TEST

START_TEST(memory_comes_back)
{
	struct shm s = { 0 };

	ck_assert_int_eq(shm_new(&s, "unit", 64 * SHM_PAGE), 0);
	memset(s.base, 'x', s.size);
	shm_giveback(&s, 0, s.size);
	ck_assert_int_eq(blocks(&s), 0);
	shm_free(&s);
}
END_TEST

START_TEST(two_see_the_same_memory)
{
	struct shm a = { 0 }, b = { 0 };

	ck_assert_int_eq(shm_new(&a, "unit", 4 * SHM_PAGE), 0);
	ck_assert_int_eq(shm_attach(&b, dup(a.fd), 4 * SHM_PAGE), 0);
	ck_assert_ptr_ne(a.base, b.base);
	ck_assert_uint_eq(b.size, 4 * SHM_PAGE);
	memcpy(a.base, "said", 5);
	ck_assert_str_eq(b.base, "said");
	shm_giveback(&b, 0, SHM_PAGE);
	ck_assert_int_eq(*(char *)a.base, 0);
	shm_free(&a);
	memcpy(b.base, "still", 6);
	shm_free(&b);
}
END_TEST

START_TEST(what_cannot_be_attached)
{
	struct shm s = { .fd = -7, .base = &s, .size = 42 };
	size_t fds = unit_count_fds();
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_lt(shm_attach(&s, pipes[0], SHM_PAGE), 0);
	ck_assert_int_lt(shm_attach(&s, pipes[1], SHM_PAGE), 0);
	ck_assert_msg(unit_count_fds() == fds, "taken in every case");
	ck_assert_int_eq(s.fd, -7);
	ck_assert_ptr_eq(s.base, &s);
	ck_assert_uint_eq(s.size, 42);
}
END_TEST

START_TEST(private_memory)
{
	size_t fds = unit_count_fds();
	struct shm s = { 0 };

	ck_assert_int_eq(shm_new_private(&s, 1 << 30), 0);
	ck_assert_int_eq(s.fd, -1);
	ck_assert_uint_eq(s.size, 1 << 30);
	ck_assert_int_eq(((char *)s.base)[s.size - 1], 0);
	memset((char *)s.base + SHM_PAGE, 'x', SHM_PAGE);
	shm_giveback(&s, SHM_PAGE, SHM_PAGE);
	ck_assert_int_eq(((char *)s.base)[SHM_PAGE], 0);
	memset((char *)s.base + SHM_PAGE, 'x', SHM_PAGE);
	shm_clear(&s);
	ck_assert_int_eq(((char *)s.base)[SHM_PAGE], 0);
	ck_assert_msg(shm_next_data(&s, 5) == 5, "it keeps no account");
	ck_assert_uint_eq(shm_next_data(&s, s.size), s.size);
	ck_assert_uint_eq(unit_count_fds(), fds);
	shm_free(&s);
	ck_assert_ptr_null(s.base);
	ck_assert_int_lt(shm_new_private(&s, SIZE_MAX / 4), 0);
	ck_assert_ptr_null(s.base);
}
END_TEST

START_TEST(all_is_cleared)
{
	struct shm s = { 0 };

	ck_assert_int_eq(shm_new(&s, "unit", 16 * SHM_PAGE), 0);
	memset(s.base, 'x', s.size);
	shm_clear(&s);
	ck_assert_int_eq(blocks(&s), 0);
	for (size_t n = 0; n < s.size; n++)
		ck_assert_int_eq(((char *)s.base)[n], 0);
	shm_free(&s);
}
END_TEST

START_TEST(what_was_written_is_found)
{
	struct shm s = { 0 };
	size_t page = SHM_PAGE;

	ck_assert_int_eq(shm_new(&s, "unit", 1024 * page), 0);
	ck_assert_uint_eq(shm_next_data(&s, 0), s.size);
	((char *)s.base)[100 * page + 7] = 'x';
	((char *)s.base)[1023 * page] = 'x';
	ck_assert_uint_le(shm_next_data(&s, 0), 100 * page);
	ck_assert_uint_eq(shm_next_data(&s, 100 * page), 100 * page);
	ck_assert_uint_eq(shm_next_data(&s, 100 * page + 9), 100 * page + 9);
	ck_assert_uint_le(shm_next_data(&s, 101 * page), 1023 * page);
	ck_assert_uint_eq(shm_next_data(&s, 1023 * page), 1023 * page);
	ck_assert_uint_eq(shm_next_data(&s, s.size - 1), s.size - 1);
	ck_assert_uint_eq(shm_next_data(&s, s.size), s.size);
	ck_assert_uint_eq(shm_next_data(&s, s.size + page), s.size);
	shm_giveback(&s, 100 * page, page);
	ck_assert_uint_gt(shm_next_data(&s, 0), 100 * page);
	shm_free(&s);
}
END_TEST

START_TEST(what_cannot_be_made)
{
	struct shm s = { .fd = -7, .base = &s, .size = 42 };
	size_t fds = unit_count_fds();
	char name[300];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(shm_new(&s, "unit", 0), -EINVAL);
	ck_assert_int_lt(shm_new(&s, "unit", SIZE_MAX / 4), 0);
	ck_assert_int_eq(shm_new(&s, name, SHM_PAGE), -EINVAL);
	ck_assert_int_eq(s.fd, -7);
	ck_assert_ptr_eq(s.base, &s);
	ck_assert_uint_eq(s.size, 42);
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

Suite *test_shm_suite(void)
{
	Suite *s = suite_create("shm");
	TCase *t = tcase_create("shm");

	tcase_add_test(t, a_region_is_zero_and_costs_nothing);
	tcase_add_test(t, it_outlives_its_mapping);
	tcase_add_loop_test(t, only_whole_pages_are_given_back, 0,
			    ARRAY_SIZE(giving));
	tcase_add_test(t, memory_comes_back);
	tcase_add_test(t, two_see_the_same_memory);
	tcase_add_test(t, what_cannot_be_attached);
	tcase_add_test(t, private_memory);
	tcase_add_test(t, all_is_cleared);
	tcase_add_test(t, what_was_written_is_found);
	tcase_add_test(t, what_cannot_be_made);
	suite_add_tcase(s, t);
	return s;
}
