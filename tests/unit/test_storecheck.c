/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs/base: storecheck; what is damaged: test_quotadb.c */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/fdio.h"
#include "fs/base/store.h"
#include "fs/base/storecheck.h"

#define FILE_MAX ((size_t)1 << 26)
#define LONG 9000

/* What LMDB makes is whole: any mix of puts and deletes. */
START_TEST(whole_files_pass)
{
	static const struct store_options o = {
		.tables = { "one", "two", NULL },
		.map_size = FILE_MAX,
	};
	static char value[LONG];
	int dir = unit_tmpdir(NULL);
	struct unit_rand rnd;
	struct store_txn *t;
	struct store *s;
	const char *why = "";

	unit_rand_start(&rnd);
	ck_assert_int_eq(store_open(&s, dir, "s", &o), 0);
	for (int i = 0; i < 200; i++) {
		unsigned dels = unit_rand(&rnd, 4);

		ck_assert_int_eq(store_begin(s, true, &t), 0);
		for (uint32_t n = unit_rand(&rnd, 200); n > 0; n--) {
			char key[300] = "";
			int len = snprintf(key, sizeof(key), "%0*u",
					   (int)unit_rand(&rnd, 200) + 1,
					   unit_rand(&rnd, 400));
			struct store_bytes k = STORE_BYTES(key, len);
			size_t size = unit_rand(&rnd, 50) ? 100 : LONG;

			if (unit_rand(&rnd, 4) < dels)
				store_del(t, n % 2, k);
			else
				store_put(t, n % 2, k,
					  STORE_BYTES(value,
						      unit_rand(&rnd, size)),
					  0);
		}
		ck_assert_int_eq(store_commit(t), 0);
		ck_assert_msg(storecheck(store_fd(s), FILE_MAX, &why) == 0,
			      "after %d commits: %s", i, why);
	}
	ck_assert_int_eq(storecheck(store_fd(s), 8192, &why), -EFBIG);
	store_free(s);
	close(dir);
}
END_TEST

/* Every byte that a reader can reach is looked at: pages that are cut off. */
START_TEST(what_is_missing)
{
	static const struct store_options o = {
		.tables = { "one", NULL },
		.map_size = FILE_MAX,
	};
	static char value[LONG];
	int dir = unit_tmpdir(NULL), fd;
	const char *why = "";
	struct store_txn *t;
	struct store *s;
	off_t end;

	ck_assert_int_eq(store_open(&s, dir, "s", &o), 0);
	ck_assert_int_eq(store_begin(s, true, &t), 0);
	for (uint32_t i = 0; i < 300; i++)
		ck_assert_int_eq(store_put(t, 0, STORE_BYTES(&i, sizeof(i)),
					   STORE_BYTES(value, i * 30), 0),
				 0);
	ck_assert_int_eq(store_commit(t), 0);
	fd = store_fd(s);
	ck_assert_int_eq(storecheck(fd, FILE_MAX, &why), 0);
	for (end = lseek(fd, 0, SEEK_END) - 4096; end >= 0; end -= 4096) {
		ck_assert_int_eq(ftruncate(fd, end), 0);
		ck_assert_int_eq(storecheck(fd, FILE_MAX, &why), -EUCLEAN);
		ck_assert_str_ne(why, "");
	}
	store_free(s);
	ck_assert_int_eq(storecheck(-1, FILE_MAX, &why), -EBADF);
	ck_assert_int_eq(storecheck(dir, FILE_MAX, &why), -EUCLEAN);
	close(dir);
}
END_TEST

Suite *test_storecheck_suite(void)
{
	Suite *s = suite_create("storecheck");
	TCase *c = tcase_create("storecheck");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, whole_files_pass);
	tcase_add_test(c, what_is_missing);
	suite_add_tcase(s, c);
	return s;
}
