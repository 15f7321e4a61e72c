/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/fdcache.h"

static struct ref key_of(uint32_t n)
{
	struct ref r = { .layer = 1, .len = 4, .type = 1, .fd = -1 };

	memcpy(r.bytes, &n, sizeof(n));
	return r;
}

static int any_fd(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static struct fdcache_ent *add(struct fdcache *c, uint32_t n)
{
	struct ref key = key_of(n);
	struct fdcache_ent *e = fdcache_add(c, &key, any_fd());

	ck_assert_ptr_nonnull(e);
	return e;
}

static struct fdcache_ent *get(struct fdcache *c, uint32_t n)
{
	struct ref key = key_of(n);

	return fdcache_get(c, &key);
}

static int is_here(struct fdcache *c, uint32_t n)
{
	struct fdcache_ent *e = get(c, n);

	fdcache_put(c, e);
	return e != NULL;
}

START_TEST(found_again)
{
	struct fdcache *c = fdcache_new(4);
	struct fdcache_ent *a, *b;
	size_t before = unit_count_fds();

	ck_assert_ptr_null(get(c, 1));
	a = add(c, 1);
	b = get(c, 1);
	ck_assert_ptr_eq(a, b);
	ck_assert_ptr_null(get(c, 2));
	fdcache_put(c, a);
	fdcache_put(c, b);
	fdcache_put(c, NULL);
	ck_assert_int_ge(fcntl(a->fd, F_GETFD), 0);
	ck_assert_uint_eq(unit_count_fds(), before + 1);

	/* Who comes second gets the first one's; his own is closed. */
	b = add(c, 1);
	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq(unit_count_fds(), before + 1);
	fdcache_put(c, b);
	fdcache_free(c);
	ck_assert_uint_eq(unit_count_fds(), before);
	fdcache_free(NULL);
}
END_TEST

START_TEST(keys_differ_by_every_part)
{
	struct fdcache *c = fdcache_new(8);
	struct ref base = key_of(1), other;

	fdcache_put(c, add(c, 1));
	other = base;
	other.layer = 2;
	ck_assert_ptr_null(fdcache_get(c, &other));
	other = base;
	other.len = 3;
	ck_assert_ptr_null(fdcache_get(c, &other));
	other = base;
	other.type = 2;
	ck_assert_ptr_null(fdcache_get(c, &other));
	other = base;
	other.fd = 99; /* not a part of it */
	fdcache_put(c, fdcache_get(c, &other));
	ck_assert(is_here(c, 1));
	fdcache_free(c);
}
END_TEST

START_TEST(the_longest_unused_goes_first)
{
	struct fdcache *c = fdcache_new(3);
	size_t before = unit_count_fds();
	struct fdcache_ent *held;

	for (uint32_t n = 1; n <= 3; n++)
		fdcache_put(c, add(c, n));
	fdcache_put(c, get(c, 1)); /* 2 is the oldest now */
	fdcache_put(c, add(c, 4));
	ck_assert(!is_here(c, 2));
	ck_assert(is_here(c, 3));
	ck_assert(is_here(c, 1));
	ck_assert(is_here(c, 4));
	ck_assert_uint_eq(unit_count_fds(), before + 3);

	/* What is borrowed does not count and does not go. */
	held = get(c, 3);
	for (uint32_t n = 10; n < 20; n++)
		fdcache_put(c, add(c, n));
	ck_assert(is_here(c, 3));
	ck_assert_int_ge(fcntl(held->fd, F_GETFD), 0);
	ck_assert_uint_eq(unit_count_fds(), before + 4);
	fdcache_put(c, held);
	ck_assert_uint_eq(unit_count_fds(), before + 3);
	fdcache_free(c);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(dropped_while_borrowed)
{
	struct fdcache *c = fdcache_new(3);
	size_t before = unit_count_fds();
	struct ref key = key_of(1);
	struct fdcache_ent *a = add(c, 1), *b;
	int fd = a->fd;

	fdcache_drop(c, &key);
	fdcache_drop(c, &key);
	ck_assert_ptr_null(get(c, 1));
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	b = add(c, 1);
	ck_assert_ptr_ne(a, b);
	ck_assert_int_ne(b->fd, fd);
	ck_assert_uint_eq(unit_count_fds(), before + 2);
	fdcache_put(c, a);
	ck_assert_uint_eq(unit_count_fds(), before + 1);
	fdcache_put(c, b);
	fdcache_drop(c, &key);
	ck_assert_uint_eq(unit_count_fds(), before);
	key = key_of(77);
	fdcache_drop(c, &key);
	fdcache_free(c);
}
END_TEST

START_TEST(a_cache_of_nothing)
{
	struct fdcache *c = fdcache_new(0);
	size_t before = unit_count_fds();
	struct fdcache_ent *a = add(c, 1);

	ck_assert(is_here(c, 1));
	fdcache_put(c, a);
	ck_assert_uint_eq(unit_count_fds(), before);
	ck_assert(!is_here(c, 1));
	fdcache_free(c);
}
END_TEST

static struct fdcache *shared;

static void *churn(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (unsigned n = 0; n < 20000; n++) {
		uint32_t k = (unsigned)rand_r(&seed) % 24;
		struct ref key = key_of(k);
		struct fdcache_ent *e = fdcache_get(shared, &key);
		struct stat st;

		if (!e)
			e = add(shared, k);
		ck_assert_int_eq(fstat(e->fd, &st), 0);
		if (n % 5 == 0)
			fdcache_drop(shared, &key);
		ck_assert_int_eq(fstat(e->fd, &st), 0);
		fdcache_put(shared, e);
	}
	return NULL;
}

START_TEST(threads_keep_to_the_bound)
{
	size_t before = unit_count_fds();
	pthread_t th[4];

	shared = fdcache_new(8);
	for (uintptr_t n = 0; n < 4; n++)
		pthread_create(&th[n], NULL, churn, (void *)(n + 1));
	for (unsigned n = 0; n < 4; n++)
		pthread_join(th[n], NULL);
	ck_assert_uint_le(unit_count_fds(), before + 8);
	fdcache_free(shared);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

Suite *test_fdcache_suite(void)
{
	Suite *s = suite_create("fdcache");
	TCase *c = tcase_create("fdcache");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, found_again);
	tcase_add_test(c, keys_differ_by_every_part);
	tcase_add_test(c, the_longest_unused_goes_first);
	tcase_add_test(c, dropped_while_borrowed);
	tcase_add_test(c, a_cache_of_nothing);
	tcase_add_test(c, threads_keep_to_the_bound);
	suite_add_tcase(s, c);
	return s;
}
