/* SPDX-License-Identifier: GPL-2.0-or-later */
/* templates: node */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "templates/node.h"

static struct node sample(struct node_xattrs *xa, struct strbuf *sorted)
{
	struct node n = { .mode = S_IFLNK | 0777,
			  .nlink = 3,
			  .uid = 4000000000u,
			  .gid = 1,
			  .size = 6,
			  .mtime = { -5, 999999999 },
			  .atime = { 1, 2 },
			  .ctime = { 3, 4 },
			  .blocks = 5,
			  .parent = 77,
			  .name = "name",
			  .name_len = 4,
			  .target = "target",
			  .target_len = 6 };

	node_xattrs_clear(xa);
	ck_assert_int_eq(node_xattrs_add(xa, "user.b", 6, "old", 3), 0);
	ck_assert_int_eq(node_xattrs_add(xa, "user.a", 6, "", 0), 0);
	ck_assert_int_eq(node_xattrs_add(xa, "user.b", 6, "new\0x", 5), 0);
	ck_assert_int_eq(node_xattrs_add(xa, "user", 4, "1", 1), 0);
	ck_assert_int_eq(node_xattrs_sort(xa, sorted), 0);
	n.xattrs = (const uint8_t *)strbuf_get(sorted);
	n.xattrs_len = (uint32_t)sorted->len;
	n.object.suffix = 9;
	memset(n.object.digest.bytes, 0xab, DIGEST_BYTES);
	return n;
}

START_TEST(node_round_trip)
{
	struct node_xattrs xa = { .count = 0 };
	struct strbuf sorted = STRBUF_INIT, bytes = STRBUF_INIT;
	struct node n = sample(&xa, &sorted), m;
	struct node_xattr x;
	struct stat st;
	size_t pos = 0;

	ck_assert_int_eq(node_encode(&n, &bytes), 0);
	ck_assert_int_eq(node_decode(strbuf_get(&bytes), bytes.len, &m), 0);
	ck_assert_uint_eq(m.mode, n.mode);
	ck_assert_uint_eq(m.uid, n.uid);
	ck_assert(m.mtime.tv_sec == -5 && m.mtime.tv_nsec == 999999999);
	ck_assert(m.parent == 77 && m.blocks == 5 && m.object.suffix == 9);
	ck_assert(m.name_len == 4 && !memcmp(m.name, "name", 4));
	ck_assert(m.target_len == 6 && !memcmp(m.target, "target", 6));
	ck_assert_int_eq(node_xattr_next(&m, &pos, &x), 1);
	ck_assert(x.name_len == 4 && !memcmp(x.name, "user", 4));
	ck_assert_int_eq(node_xattr_next(&m, &pos, &x), 1);
	ck_assert(!memcmp(x.name, "user.a", 6) && x.value_len == 0);
	ck_assert_int_eq(node_xattr_next(&m, &pos, &x), 1);
	ck_assert(x.value_len == 5 && !memcmp(x.value, "new\0x", 5));
	ck_assert_int_eq(node_xattr_next(&m, &pos, &x), 0);
	ck_assert_int_eq(node_xattr_get(&m, "user.b", &x), 0);
	ck_assert_int_eq(node_xattr_get(&m, "user.", &x), -ENODATA);
	node_stat(&m, 42, &st);
	ck_assert(st.st_ino == 42 && st.st_uid == n.uid && st.st_nlink == 3);
	strbuf_free(&bytes);
	strbuf_free(&sorted);
	node_xattrs_free(&xa);
}
END_TEST

/* Whatever the bytes, decoding says no or gives what lies within them. */
START_TEST(node_of_damaged_bytes)
{
	struct node_xattrs xa = { .count = 0 };
	struct strbuf sorted = STRBUF_INIT, bytes = STRBUF_INIT;
	struct node n = sample(&xa, &sorted), m;
	struct unit_rand rnd;

	unit_rand_start(&rnd);
	ck_assert_int_eq(node_encode(&n, &bytes), 0);
	for (size_t len = 0; len < bytes.len; len++)
		ck_assert_int_eq(node_decode(strbuf_get(&bytes), len, &m),
				 -EUCLEAN);
	for (int i = 0; i < 20000; i++) {
		/* a copy of exact size: a sanitizer sees what is beyond */
		uint8_t *copy = malloc(bytes.len + !bytes.len);
		struct node_xattr x;
		size_t pos = 0;

		memcpy(copy, strbuf_get(&bytes), bytes.len);
		for (unsigned k = unit_rand(&rnd, 4); k <= 4; k++)
			copy[unit_rand(&rnd, (uint32_t)bytes.len)] =
				(uint8_t)unit_rand(&rnd, 256);
		if (node_decode(copy, bytes.len, &m) == 0) {
			ck_assert(m.target + m.target_len <=
				  (char *)copy + bytes.len);
			while (node_xattr_next(&m, &pos, &x))
				ck_assert((uint8_t *)x.value + x.value_len <=
					  copy + bytes.len);
		}
		free(copy);
	}
	strbuf_free(&bytes);
	strbuf_free(&sorted);
	node_xattrs_free(&xa);
}
END_TEST

START_TEST(xattr_limits)
{
	static char big[NODE_XATTR_VALUE_MAX + 1];
	struct node_xattrs x = { .count = 0 };
	char name[300];

	memset(name, 'n', sizeof(name));
	ck_assert_int_eq(node_xattrs_add(&x, name, 256, "", 0), -E2BIG);
	ck_assert_int_eq(node_xattrs_add(&x, name, 0, "", 0), -E2BIG);
	ck_assert_int_eq(node_xattrs_add(&x, "a\0b", 3, "", 0), -E2BIG);
	ck_assert_int_eq(node_xattrs_add(&x, "a", 1, big, sizeof(big)), -E2BIG);
	ck_assert_int_eq(node_xattrs_add(&x, "a", 1, big, sizeof(big) - 1), 0);
	node_xattrs_free(&x);
}
END_TEST

Suite *test_node_suite(void)
{
	Suite *s = suite_create("node");
	TCase *c = tcase_create("node");

	tcase_add_test(c, node_round_trip);
	tcase_add_test(c, node_of_damaged_bytes);
	tcase_add_test(c, xattr_limits);
	suite_add_tcase(s, c);
	return s;
}
