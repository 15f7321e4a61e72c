/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "tools/idname.h"

static struct idname *parse(const char *text, size_t len)
{
	struct idname *n = NULL;

	ck_assert_int_eq(idname_parse(text, len, &n), 0);
	return n;
}

START_TEST(names_and_numbers)
{
	static const char text[] = "root:x:0:0:root:/root:/bin/sh\n"
				   "anna:x:1000:1000::/home/anna:\n"
				   "toor:x:0:0::/:\n"
				   "anna:x:7:7::/:\n"
				   "last:x:4294967294:";
	struct idname *n = parse(text, strlen(text));
	uint32_t id = 5;

	ck_assert_str_eq(idname_of(n, 0), "root");
	ck_assert_str_eq(idname_of(n, 1000), "anna");
	ck_assert_str_eq(idname_of(n, 4294967294u), "last");
	ck_assert_ptr_null(idname_of(n, 1));
	ck_assert_int_eq(idname_find(n, "anna", &id), 0);
	ck_assert_uint_eq(id, 1000);
	ck_assert_int_eq(idname_find(n, "toor", &id), 0);
	ck_assert_uint_eq(id, 0);
	id = 5;
	ck_assert_int_eq(idname_find(n, "bert", &id), -ENOENT);
	ck_assert_uint_eq(id, 5);
	idname_free(n);
	ck_assert_ptr_null(idname_of(NULL, 0));
	ck_assert_int_eq(idname_find(NULL, "root", &id), -ENOENT);
}
END_TEST

START_TEST(what_names_nobody)
{
	static const char text[] = "\n"
				   "#comment\n"
				   "+::::::\n"
				   "a:b\n"
				   ":x:5:\n"
				   "neg:x:-1:\n"
				   "big:x:4294967295:\n"
				   "huge:x:99999999999999999999999999:\n"
				   "empty:x::\n"
				   "nul\0:x:6:\n"
				   "good:x:8";
	struct idname *n = parse(text, sizeof(text) - 1);
	uint32_t id;

	ck_assert_ptr_null(idname_of(n, 5));
	ck_assert_ptr_null(idname_of(n, 6));
	ck_assert_int_eq(idname_find(n, "neg", &id), -ENOENT);
	ck_assert_int_eq(idname_find(n, "big", &id), -ENOENT);
	ck_assert_int_eq(idname_find(n, "huge", &id), -ENOENT);
	ck_assert_int_eq(idname_find(n, "empty", &id), -ENOENT);
	ck_assert_int_eq(idname_find(n, "good", &id), 0);
	ck_assert_uint_eq(id, 8);
	idname_free(n);
	n = parse("", 0);
	ck_assert_ptr_null(idname_of(n, 0));
	idname_free(n);
}
END_TEST

/* Whatever bytes a container puts there. */
START_TEST(any_bytes)
{
	static const char some[] = "ab:09\n\0x#";
	struct unit_rand rand;
	char text[512];

	unit_rand_start(&rand);
	for (int round = 0; round < 2000; round++) {
		size_t len = unit_rand(&rand, sizeof(text));
		struct idname *n;
		uint32_t id;

		for (size_t i = 0; i < len; i++)
			text[i] = some[unit_rand(&rand, sizeof(some) - 1)];
		n = parse(text, len);
		for (uint32_t k = 0; k < 100; k++) {
			const char *name = idname_of(n, k);

			if (name)
				ck_assert_int_eq(idname_find(n, name, &id), 0);
		}
		idname_free(n);
	}
}
END_TEST

Suite *test_idname_suite(void)
{
	Suite *s = suite_create("idname");
	TCase *t = tcase_create("idname");

	tcase_add_test(t, names_and_numbers);
	tcase_add_test(t, what_names_nobody);
	tcase_add_test(t, any_bytes);
	suite_add_tcase(s, t);
	return s;
}
