/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "fs/absent.h"

static struct ref key_of(uint32_t n)
{
	struct ref r = { .layer = 1, .len = 4, .type = 1, .fd = -1 };

	memcpy(r.bytes, &n, sizeof(n));
	return r;
}

START_TEST(what_was_noted)
{
	struct absent *a = absent_new();
	struct ref one = key_of(1), two = key_of(2), other = key_of(1);

	other.layer = 2;
	ck_assert(!absent_knows(a, &one, "x"));
	/* Nothing was noted: not even the name that an empty slot looks like. */
	ck_assert(!absent_knows(a, &REF_NONE, ""));
	absent_note(a, &one, "x");
	ck_assert(absent_knows(a, &one, "x"));
	ck_assert(!absent_knows(a, &one, "xy"));
	ck_assert(!absent_knows(a, &one, ""));
	ck_assert(!absent_knows(a, &two, "x"));
	ck_assert(!absent_knows(a, &other, "x"));
	absent_free(a);
	absent_free(NULL);
}
END_TEST

START_TEST(names_of_every_length)
{
	struct absent *a = absent_new();
	struct ref dir = key_of(7);
	char name[256];

	for (size_t n = 1; n < sizeof(name); n++) {
		memset(name, 'n', n);
		name[n] = '\0';
		absent_note(a, &dir, name);
		/* Kept whole or not at all: no prefix is ever taken for it. */
		ck_assert_int_eq(absent_knows(a, &dir, name), n <= 63);
		name[n - 1] = 'm';
		ck_assert(!absent_knows(a, &dir, name));
	}
	absent_free(a);
}
END_TEST

START_TEST(a_later_one_takes_the_place)
{
	struct absent *a = absent_new();
	struct ref dir = key_of(7);
	unsigned known = 0;
	char name[16];

	for (unsigned n = 0; n < 1000; n++) {
		snprintf(name, sizeof(name), "name%u", n);
		absent_note(a, &dir, name);
		ck_assert(absent_knows(a, &dir, name));
	}
	for (unsigned n = 0; n < 1000; n++) {
		snprintf(name, sizeof(name), "name%u", n);
		known += absent_knows(a, &dir, name);
	}
	ck_assert_uint_gt(known, 8);
	ck_assert_uint_lt(known, 100);
	absent_free(a);
}
END_TEST

static struct absent *shared;

/* Each thread notes names of its own; nobody may know of any other. */
static void *churn(void *arg)
{
	struct ref mine = key_of(*(unsigned *)arg);
	struct ref nobodys = key_of(1000);
	uintptr_t wrong = 0;
	char name[16];

	for (unsigned n = 0; n < 20000; n++) {
		snprintf(name, sizeof(name), "%u", n & 63);
		absent_note(shared, &mine, name);
		wrong += absent_knows(shared, &nobodys, name);
	}
	return (void *)wrong;
}

START_TEST(threads)
{
	unsigned n[4] = { 1, 2, 3, 4 };
	pthread_t t[4];
	void *wrong;

	shared = absent_new();
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, churn, &n[i]), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(t[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
	absent_free(shared);
}
END_TEST

Suite *test_absent_suite(void)
{
	Suite *s = suite_create("absent");
	TCase *c = tcase_create("absent");

	tcase_add_test(c, what_was_noted);
	tcase_add_test(c, names_of_every_length);
	tcase_add_test(c, a_later_one_takes_the_place);
	tcase_add_test(c, threads);
	suite_add_tcase(s, c);
	return s;
}
