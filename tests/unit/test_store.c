/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs/base: store, digest, u64map, smallfile, rmtree */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/digest.h"
#include "fs/base/fdio.h"
#include "fs/base/rmtree.h"
#include "fs/base/smallfile.h"
#include "fs/base/store.h"
#include "fs/base/u64map.h"

static const struct store_options two = {
	.tables = { "one", "two", NULL },
	.map_size = 1 << 24,
};

static struct store_bytes text(const char *s)
{
	return STORE_BYTES(s, strlen(s));
}

static void put(struct store_txn *t, unsigned table, const char *k,
		const char *v)
{
	ck_assert_int_eq(store_put(t, table, text(k), text(v), 0), 0);
}

START_TEST(tables_and_cursors)
{
	int dir = unit_tmpdir(NULL);
	struct store_bytes k, v;
	struct store_cursor *c;
	struct store_txn *t;
	struct store *s;

	ck_assert_int_eq(store_open(&s, dir, "s.mdb", &two), 0);
	ck_assert_int_eq(store_begin(s, true, &t), 0);
	put(t, 0, "b", "2");
	put(t, 0, "a", "1");
	put(t, 1, "a", "other");
	ck_assert_int_eq(store_put(t, 0, text("a"), text("x"), STORE_NEW),
			 -EEXIST);
	ck_assert_int_eq(store_put(t, 0, text("Z"), text("x"), STORE_APPEND),
			 -EEXIST);
	ck_assert_int_eq(store_put(t, 0, text("c"), text("3"), STORE_APPEND),
			 0);
	ck_assert_int_eq(store_get(t, 1, text("a"), &v), 0);
	ck_assert(v.len == 5 && !memcmp(v.data, "other", 5));
	ck_assert_int_eq(store_get(t, 1, text("b"), &v), -ENOENT);
	ck_assert_int_eq(store_commit(t), 0);

	ck_assert_int_eq(store_begin(s, true, &t), 0);
	ck_assert_int_eq(store_del(t, 0, text("a")), 0);
	store_abort(t);

	ck_assert_int_eq(store_begin(s, false, &t), 0);
	ck_assert_int_eq(store_cursor_new(t, 0, &c), 0);
	ck_assert_int_eq(store_next(c, &k, &v), 0);
	ck_assert(k.len == 1 && !memcmp(k.data, "a", 1));
	k = text("aa");
	ck_assert_int_eq(store_seek(c, &k, &v), 0);
	ck_assert(!memcmp(k.data, "b", 1) && !memcmp(v.data, "2", 1));
	ck_assert_int_eq(store_next(c, &k, &v), 0);
	ck_assert_int_eq(store_next(c, &k, &v), -ENOENT);
	store_cursor_free(c);
	store_abort(t);
	store_free(s);
	close(dir);
}
END_TEST

START_TEST(store_errors)
{
	struct store_options o = two;
	int dir = unit_tmpdir(NULL), fd;
	char name[300];
	struct store_txn *t;
	struct store *s = NULL;
	size_t fds;

	fds = unit_count_fds();
	o.read_only = true;
	o.map_size = 0;
	ck_assert_int_eq(store_open(&s, dir, "none", &o), -ENOENT);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(store_open(&s, dir, name, &two), -ENAMETOOLONG);
	fd = fdio_openat(dir, "junk", O_CREAT | O_RDWR, 0600);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(fdio_pwrite_full(fd, name, 256, i * 256), 256);
	close(fd);
	ck_assert_int_eq(store_open(&s, dir, "junk", &o), -EUCLEAN);
	ck_assert_uint_eq(unit_count_fds(), fds);

	/* lacks the second table */
	o = two;
	o.tables[1] = NULL;
	ck_assert_int_eq(store_open(&s, dir, "half", &o), 0);
	store_free(s);
	o = two;
	o.read_only = true;
	ck_assert_int_eq(store_open(&s, dir, "half", &o), -EUCLEAN);

	/* a full map */
	o = two;
	o.map_size = 65536;
	ck_assert_int_eq(store_open(&s, dir, "full", &o), 0);
	ck_assert_int_eq(store_begin(s, true, &t), 0);
	for (int i = 0, r = 0; r == 0; i++) {
		char big[3000] = "";

		ck_assert_int_lt(i, 100);
		r = store_put(t, 0, STORE_BYTES(&i, sizeof(i)),
			      STORE_BYTES(big, sizeof(big)), 0);
		ck_assert(r == 0 || r == -ENOSPC);
	}
	store_abort(t);
	store_free(s);
	ck_assert_uint_eq(unit_count_fds(), fds);
	close(dir);
}
END_TEST

START_TEST(numbers_in_keys_sort)
{
	uint8_t a[8], b[8];

	store_put_u64(a, 255);
	store_put_u64(b, 256);
	ck_assert_int_lt(memcmp(a, b, 8), 0);
	ck_assert_uint_eq(store_get_u64(b), 256);
	store_put_u64(a, UINT64_MAX - 1);
	ck_assert(store_get_u64(a) == UINT64_MAX - 1);
}
END_TEST

START_TEST(digests)
{
	struct digest_state *s = digest_new();
	struct digest a, b;
	char hex[DIGEST_HEX + 1];

	ck_assert_ptr_nonnull(s);
	/* what xxh128sum says of "abc" */
	digest_of("abc", 3, &a);
	ck_assert_str_eq(digest_hex(&a, hex),
			 "06b05ab6733a618578af5f94892f3950");
	digest_update(s, "a", 1);
	digest_update(s, "bc", 2);
	digest_final(s, &b);
	ck_assert_mem_eq(&a, &b, sizeof(a));
	digest_reset(s);
	digest_final(s, &b);
	ck_assert_mem_ne(&a, &b, sizeof(a));
	ck_assert_int_eq(digest_parse(hex, &b), 0);
	ck_assert_mem_eq(&a, &b, sizeof(a));
	ck_assert_int_eq(digest_parse("06B05AB6733A618578AF5F94892F3950", &b),
			 0);
	ck_assert_int_eq(digest_parse(hex + 1, &b), -EINVAL);
	hex[5] = 'g';
	ck_assert_int_eq(digest_parse(hex, &b), -EINVAL);
	ck_assert_int_eq(digest_parse("", &b), -EINVAL);
	digest_free(s);
}
END_TEST

START_TEST(maps)
{
	struct u64map m = { 0 };
	struct unit_rand rnd;
	uint64_t keys[5000];

	unit_rand_start(&rnd);
	ck_assert_ptr_null(u64map_find(&m, 7));
	for (unsigned i = 0; i < 5000; i++) {
		keys[i] = ((uint64_t)i << 40) | unit_rand(&rnd, 1u << 30);
		*u64map_at(&m, keys[i]) = i + 1;
	}
	*u64map_at(&m, 0) = 77;
	ck_assert_uint_le(m.used, 5001);
	for (unsigned i = 1; i < 5000; i++) {
		ck_assert_ptr_nonnull(u64map_find(&m, keys[i]));
		ck_assert_uint_eq(*u64map_find(&m, keys[i]), i + 1);
	}
	ck_assert_uint_eq(*u64map_find(&m, 0), 77);
	ck_assert_ptr_null(u64map_find(&m, UINT64_MAX - 1));
	u64map_free(&m);
	ck_assert_ptr_null(u64map_find(&m, 0));
}
END_TEST

START_TEST(small_files)
{
	int dir = unit_tmpdir(NULL);
	char line[8];

	ck_assert_int_eq(smallfile_read(dir, "f", line, sizeof(line)), -ENOENT);
	ck_assert_int_eq(smallfile_write(dir, "f", "one\n"), 0);
	ck_assert_int_eq(smallfile_write(dir, "f", "two\nmore\n"), 0);
	ck_assert_int_eq(smallfile_read(dir, "f", line, sizeof(line)), 0);
	ck_assert_str_eq(line, "two");
	ck_assert_int_eq(smallfile_write(dir, "f", "much too long"), 0);
	ck_assert_int_eq(smallfile_read(dir, "f", line, sizeof(line)), 0);
	ck_assert_str_eq(line, "much to");
	ck_assert_int_eq(fdio_exists(dir, "f.new"), 0);
	ck_assert_int_eq(symlinkat("f", dir, "l"), 0);
	ck_assert_int_eq(smallfile_read(dir, "l", line, sizeof(line)), -ELOOP);
	close(dir);
}
END_TEST

START_TEST(removing_trees)
{
	int dir = unit_tmpdir(NULL);

	ck_assert_int_eq(rmtree_at(dir, "none"), 0);
	ck_assert_int_eq(mkdirat(dir, "a", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "a/b", 0), 0);
	ck_assert_int_eq(mkdirat(dir, "keep", 0700), 0);
	ck_assert_int_eq(symlinkat("../keep", dir, "a/l"), 0);
	close(fdio_open_beneath(dir, "keep", O_RDONLY));
	ck_assert_int_eq(mknodat(dir, "keep/f", S_IFREG | 0600, 0), 0);
	ck_assert_int_eq(mknodat(dir, "a/p", S_IFIFO | 0600, 0), 0);
	ck_assert_int_eq(rmtree_at(dir, "a"), 0);
	ck_assert_int_eq(fdio_exists(dir, "a"), 0);
	ck_assert_int_eq(fdio_exists(dir, "keep/f"), 1);
	close(dir);
}
END_TEST

/* Deeper than there are descriptors, in both arms, and names in the way. */
START_TEST(removing_deep_trees)
{
	struct rlimit all, few;
	int dir = unit_tmpdir(NULL), at, fds = unit_count_fds();

	for (unsigned arm = 0; arm < 2; arm++) {
		ck_assert_int_eq(arm || mkdirat(dir, "a", 0700) == 0, 1);
		at = openat(dir, "a", O_RDONLY | O_DIRECTORY);
		ck_assert_int_eq(mknodat(at, ".deep-1", S_IFREG | 0600, 0),
				 arm ? -1 : 0);
		for (unsigned i = 0; i < 1000; i++) {
			int down;

			ck_assert_int_eq(mkdirat(at, arm ? "x" : "y", 0700), 0);
			down = openat(at, arm ? "x" : "y",
				      O_RDONLY | O_DIRECTORY);
			ck_assert_int_ge(down, 0);
			mknodat(at, "f", S_IFREG | 0600, 0);
			close(at);
			at = down;
		}
		close(at);
	}
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = (struct rlimit){ .rlim_cur = 128, .rlim_max = all.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(rmtree_at(dir, "a"), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
	ck_assert_int_eq(fdio_exists(dir, "a"), 0);
	ck_assert_int_eq((int)unit_count_fds(), fds);
	close(dir);
}
END_TEST

Suite *test_store_suite(void)
{
	Suite *s = suite_create("store");
	TCase *c = tcase_create("store");

	tcase_add_test(c, tables_and_cursors);
	tcase_add_test(c, store_errors);
	tcase_add_test(c, numbers_in_keys_sort);
	tcase_add_test(c, digests);
	tcase_add_test(c, maps);
	tcase_add_test(c, small_files);
	tcase_add_test(c, removing_trees);
	tcase_add_test(c, removing_deep_trees);
	suite_add_tcase(s, c);
	return s;
}
