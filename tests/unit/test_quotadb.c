/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: quotadb, dbrecord */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/store.h"
#include "quota/dbrecord.h"
#include "quota/quotadb.h"

#define FILE_NAME "quota.mdb"
#define FILE_MAX ((size_t)1 << 24)

static int64_t at_noon(void)
{
	return 1000000;
}

static struct ledger *new_ledger(void)
{
	struct ledger *l = ledger_new(-1, at_noon);

	ck_assert_ptr_nonnull(l);
	return l;
}

static void use(struct ledger *l, enum ledger_kind kind, uint32_t id,
		uint64_t space, uint64_t inodes)
{
	const uint64_t usage[LIMIT_RESOURCES] = { space, inodes };

	ck_assert_int_eq(ledger_set_usage(l, kind, id, usage), 0);
}

static struct quotadb *open_db(int dir, const char *id, enum quotadb_state want)
{
	struct quotadb *db = NULL;
	char why[256] = "";
	int r = quotadb_open(&db, dir, FILE_NAME, id, why, sizeof(why));

	ck_assert_msg(r == 0, "%d: %s", r, why);
	ck_assert_int_eq(quotadb_state(db), want);
	return db;
}

static void refused(int dir, const char *id, int err, const char *says)
{
	struct quotadb *db = NULL;
	char why[256] = "";
	size_t fds = unit_count_fds();
	int r = quotadb_open(&db, dir, FILE_NAME, id, why, sizeof(why));

	ck_assert_msg(r == err, "%d instead of %d: %s", r, err, why);
	ck_assert_msg(strstr(why, says) && strstr(why, FILE_NAME),
		      "'%s' does not say '%s'", why, says);
	ck_assert_ptr_null(db);
	ck_assert_uint_eq(unit_count_fds(), fds);
}

static void save(struct quotadb *db, struct ledger *l, bool clean)
{
	ck_assert_int_eq(quotadb_save(db, l, clean), 0);
}

struct pair {
	struct ledger *other;
	enum ledger_kind kind;
};

/* What is in one ledger is in the other. */
static void equal_each(void *ctx, uint32_t id, const struct limit_rec *r)
{
	struct limit_rec other;
	struct pair *p = ctx;

	ledger_get(p->other, p->kind, id, &other);
	ck_assert_mem_eq(r, &other, sizeof(other));
}

static void ck_equal(struct ledger *a, struct ledger *b)
{
	struct ledger *both[2] = { a, b };

	for (int w = 0; w < 2; w++) {
		for (int k = 0; k < LEDGER_KINDS; k++) {
			struct pair p = { both[!w], (enum ledger_kind)k };

			ledger_each(both[w], p.kind, equal_each, &p);
			ck_assert_int_eq(ledger_enforces(a, p.kind),
					 ledger_enforces(b, p.kind));
			for (int i = 0; i < LIMIT_RESOURCES; i++)
				ck_assert_uint_eq(ledger_grace(a, p.kind, i),
						  ledger_grace(b, p.kind, i));
		}
	}
}

/* The file has what the ledger has. */
static void ck_saved(int dir, struct ledger *l, enum quotadb_state state)
{
	struct quotadb *db = open_db(dir, "", state);
	struct ledger *now = new_ledger();

	ck_assert_int_eq(quotadb_load(db, now), 0);
	ck_equal(l, now);
	quotadb_free(db);
	ledger_free(now);
}

START_TEST(there_and_back)
{
	int dir = unit_tmpdir(NULL);
	struct ledger *l = new_ledger();
	struct quotadb *db = open_db(dir, "101", QUOTADB_NEW);

	/* made, and nothing said of it */
	quotadb_free(db);
	ck_saved(dir, l, QUOTADB_DIRTY);
	db = open_db(dir, "101", QUOTADB_DIRTY);

	use(l, LEDGER_CONTAINER, 0, 7 << 20, 77);
	use(l, LEDGER_USER, 0, 6 << 20, 70);
	use(l, LEDGER_USER, UINT32_MAX - 1, 1 << 20, 7);
	use(l, LEDGER_GROUP, 0, 7 << 20, 77);
	ck_assert_int_eq(ledger_set(l, LEDGER_USER, 0, LIMIT_SPACE, 1 << 20,
				    8 << 20),
			 0);
	ck_assert_int_eq(
		ledger_set(l, LEDGER_GROUP, 5, LIMIT_INODES, 0, LIMIT_MAX), 0);
	ledger_set_grace(l, LEDGER_USER, LIMIT_INODES, 12345);
	ledger_enforce(l, LEDGER_GROUP, false);
	save(db, l, false);
	quotadb_free(db);
	ck_saved(dir, l, QUOTADB_DIRTY);

	db = open_db(dir, "101", QUOTADB_DIRTY);
	save(db, l, true);
	quotadb_free(db);
	ck_saved(dir, l, QUOTADB_CLEAN);
	/* opening it changed nothing; the first save does */
	db = open_db(dir, "101", QUOTADB_CLEAN);
	quotadb_free(db);
	db = open_db(dir, "101", QUOTADB_CLEAN);
	save(db, l, false);
	quotadb_free(db);
	ck_saved(dir, l, QUOTADB_DIRTY);
	ledger_free(l);
	close(dir);
}
END_TEST

START_TEST(a_new_file_changes_no_ledger)
{
	int dir = unit_tmpdir(NULL);
	struct ledger *l = new_ledger(), *untouched = new_ledger();
	struct quotadb *db = open_db(dir, "", QUOTADB_NEW);

	ck_assert_int_eq(quotadb_load(db, l), 0);
	ck_equal(l, untouched);
	quotadb_free(db);
	ck_saved(dir, untouched, QUOTADB_DIRTY);
	ledger_free(l);
	ledger_free(untouched);
	close(dir);
}
END_TEST

static size_t read_file(int dir, uint8_t *to, size_t max)
{
	int fd = openat(dir, FILE_NAME, O_RDONLY | O_CLOEXEC);
	ssize_t n = fdio_pread_full(fd, to, max, 0);

	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(n, (ssize_t)max);
	close(fd);
	return (size_t)n;
}

static uint8_t was[FILE_MAX], is[FILE_MAX];

/* Pages that are other ones than when this was asked last. */
static size_t pages_written(int dir)
{
	size_t len = read_file(dir, is, sizeof(is)), n = 0;

	for (size_t at = 0; at < len; at += 4096)
		n += memcmp(is + at, was + at, 4096) != 0;
	memcpy(was, is, len);
	return n;
}

/* Only what changed is written, and what is zero goes. */
START_TEST(changes_alone)
{
	int dir = unit_tmpdir(NULL);
	struct ledger *l = new_ledger(), *fewer = new_ledger();
	struct quotadb *db = open_db(dir, "101", QUOTADB_NEW);
	size_t all, n;

	for (uint32_t i = 1; i <= 5000; i++)
		use(l, LEDGER_USER, i * 7919, 4096 * i, i);
	save(db, l, false);
	all = pages_written(dir);
	ck_saved(dir, l, QUOTADB_DIRTY);

	save(db, l, false);
	ck_assert_uint_eq(pages_written(dir), 0);
	use(l, LEDGER_USER, 7919, 512, 1);
	use(l, LEDGER_USER, 2 * 7919, 0, 0);
	use(l, LEDGER_GROUP, 1, 0, 0);
	save(db, l, false);
	n = pages_written(dir);
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_lt(n, all / 4);
	ck_saved(dir, l, QUOTADB_DIRTY);

	/* another ledger: what it lacks is gone */
	use(fewer, LEDGER_USER, 7919, 512, 1);
	use(fewer, LEDGER_GROUP, 9, 512, 1);
	save(db, fewer, true);
	ck_saved(dir, fewer, QUOTADB_CLEAN);
	save(db, l, true);
	quotadb_free(db);
	ck_saved(dir, l, QUOTADB_CLEAN);

	/* what is on disk already, by another opening */
	db = open_db(dir, "101", QUOTADB_CLEAN);
	pages_written(dir);
	save(db, l, true);
	ck_assert_uint_eq(pages_written(dir), 0);
	quotadb_free(db);
	ledger_free(l);
	ledger_free(fewer);
	close(dir);
}
END_TEST

/* Random changes and saves; after each the file is what the ledger is. */
START_TEST(random_saves)
{
	int dir = unit_tmpdir(NULL);
	struct ledger *l = new_ledger();
	struct quotadb *db = open_db(dir, "", QUOTADB_NEW);
	struct unit_rand rnd;

	unit_rand_start(&rnd);
	for (int round = 0; round < 60; round++) {
		for (uint32_t n = unit_rand(&rnd, 300); n > 0; n--)
			use(l, unit_rand(&rnd, LEDGER_KINDS),
			    unit_rand(&rnd, 400), unit_rand(&rnd, 3) * 512ull,
			    unit_rand(&rnd, 2));
		save(db, l, round % 3 == 0);
		if (round % 5 == 4) {
			quotadb_free(db);
			ck_saved(dir, l,
				 round % 3 ? QUOTADB_DIRTY : QUOTADB_CLEAN);
			db = open_db(dir, "",
				     round % 3 ? QUOTADB_DIRTY : QUOTADB_CLEAN);
		}
	}
	quotadb_free(db);
	ledger_free(l);
	close(dir);
}
END_TEST

START_TEST(many_users)
{
	int dir = unit_tmpdir(NULL);
	struct ledger *l = new_ledger();
	struct quotadb *db = open_db(dir, "", QUOTADB_NEW);

	for (uint32_t i = 0; i < 100000; i++)
		use(l, LEDGER_USER, i * 2654435761u & 0x7fffffff, 4096, 1);
	save(db, l, false);
	use(l, LEDGER_USER, 1, 4096, 1);
	save(db, l, false);
	quotadb_free(db);
	ck_saved(dir, l, QUOTADB_DIRTY);
	ledger_free(l);
	close(dir);
}
END_TEST

static void write_file(int dir, const char *name, const void *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fdio_pwrite_full(fd, data, len, 0), (ssize_t)len);
	close(fd);
}

/* A head of another sort, in a file that is right otherwise. */
static void put_head(int dir, const void *data, size_t len)
{
	static const struct store_options o = {
		.tables = { "meta", "container", "user", "group", NULL },
		.map_size = FILE_MAX,
	};
	struct store_txn *t;
	struct store *s;

	ck_assert_int_eq(store_open(&s, dir, FILE_NAME, &o), 0);
	ck_assert_int_eq(store_begin(s, true, &t), 0);
	if (len)
		ck_assert_int_eq(store_put(t, 0, STORE_BYTES("head", 4),
					   STORE_BYTES(data, len), 0),
				 0);
	else
		ck_assert_int_eq(store_del(t, 0, STORE_BYTES("head", 4)), 0);
	ck_assert_int_eq(store_commit(t), 0);
	store_free(s);
}

START_TEST(not_ours)
{
	struct dbrecord_head h = { .version = QUOTADB_VERSION + 6,
				   .id = "101" };
	uint8_t bytes[DBRECORD_HEAD], junk[20000];
	int dir = unit_tmpdir(NULL);
	char long_id[QUOTADB_ID_MAX + 2], aside[64];

	quotadb_free(open_db(dir, "101", QUOTADB_NEW));
	refused(dir, "102", -EXDEV, "container 101, not of 102");
	quotadb_free(open_db(dir, "", QUOTADB_DIRTY));
	memset(long_id, 'x', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	refused(dir, long_id, -EINVAL, "id");

	dbrecord_encode_head(bytes, &h);
	put_head(dir, bytes, sizeof(bytes));
	refused(dir, "101", -EPROTONOSUPPORT, "version 7");
	put_head(dir, bytes, sizeof(bytes) - 1);
	refused(dir, "101", -EUCLEAN, "head");
	h.version = 0;
	dbrecord_encode_head(bytes, &h);
	put_head(dir, bytes, sizeof(bytes));
	refused(dir, "101", -EUCLEAN, "head");
	put_head(dir, NULL, 0);
	refused(dir, "101", -EUCLEAN, "head");

	memset(junk, 'j', sizeof(junk));
	write_file(dir, FILE_NAME, junk, sizeof(junk));
	refused(dir, "101", -EUCLEAN, "damaged: not a store");
	write_file(dir, FILE_NAME, "", 0);
	refused(dir, "101", -EUCLEAN, "damaged");
	ck_assert_int_eq(quotadb_set_aside(dir, FILE_NAME, aside, 8),
			 -ENAMETOOLONG);
	ck_assert_int_eq(
		quotadb_set_aside(dir, FILE_NAME, aside, sizeof(aside)), 0);
	ck_assert_str_eq(aside, FILE_NAME ".damaged-1");
	quotadb_free(open_db(dir, "101", QUOTADB_NEW));
	ck_assert_int_eq(
		quotadb_set_aside(dir, FILE_NAME, aside, sizeof(aside)), 0);
	ck_assert_str_eq(aside, FILE_NAME ".damaged-2");
	ck_assert_int_eq(quotadb_set_aside(dir, FILE_NAME, aside,
					   sizeof(aside)),
			 -ENOENT);

	ck_assert_int_eq(mkdirat(dir, FILE_NAME, 0700), 0);
	refused(dir, "101", -EUCLEAN, "not a file");
	ck_assert_int_eq(unlinkat(dir, FILE_NAME, AT_REMOVEDIR), 0);
	ck_assert_int_eq(symlinkat(FILE_NAME ".damaged-2", dir, FILE_NAME), 0);
	refused(dir, "101", -ELOOP, "");
	close(dir);
}
END_TEST

/* Left behind by who was killed while it made one. */
START_TEST(made_anew)
{
	int dir = unit_tmpdir(NULL);

	write_file(dir, FILE_NAME ".new", "half", 4);
	quotadb_free(open_db(dir, "101", QUOTADB_NEW));
	ck_assert_int_eq(fdio_exists(dir, FILE_NAME ".new"), 0);
	quotadb_free(open_db(dir, "101", QUOTADB_DIRTY));
	close(dir);
}
END_TEST

/* Damage. */

/* All that one does with a file that opens; none of it may end the process. */
static void use_file(int dir)
{
	struct quotadb *db = NULL;
	char why[256] = "";
	struct ledger *l;
	int r = quotadb_open(&db, dir, FILE_NAME, "101", why, sizeof(why));

	if (r < 0) {
		ck_assert_msg(why[0], "%d without a reason", r);
		return;
	}
	l = new_ledger();
	r = quotadb_load(db, l);
	for (uint32_t i = 0; r == 0 && i < 3000; i += 3) {
		use(l, LEDGER_USER, i, 1 << 20, 2);
		use(l, LEDGER_GROUP, i, 0, 0);
	}
	for (int i = 0; i < 3 && r == 0; i++) {
		use(l, LEDGER_CONTAINER, 0, 512, (uint64_t)i + 1);
		r = quotadb_save(db, l, i == 2);
	}
	ck_assert_msg(r == 0 || r == -EUCLEAN, "%d", r);
	quotadb_free(db);
	ledger_free(l);
}

/* Where it was, if this test's process is gone now. */
static void try_file(int dir, const char *what, size_t at)
{
	char text[64];

	snprintf(text, sizeof(text), "%s at %zu", what, at);
	unit_row(text);
	use_file(dir);
}

/* Also a list of free pages, pages of several levels, and a long value. */
static size_t make_file(int dir, uint8_t *to)
{
	struct ledger *l = new_ledger();
	struct quotadb *db = open_db(dir, "101", QUOTADB_NEW);

	for (uint32_t i = 0; i < 6000; i++)
		use(l, i % 2 ? LEDGER_USER : LEDGER_GROUP, i, 4096, 1);
	save(db, l, false);
	for (uint32_t i = 0; i < 6000; i += 2)
		use(l, i % 4 ? LEDGER_USER : LEDGER_GROUP, i, 0, 0);
	use(l, LEDGER_CONTAINER, 0, 4096, 1);
	save(db, l, false);
	save(db, l, true);
	quotadb_free(db);
	ledger_free(l);
	return read_file(dir, to, FILE_MAX);
}

/*
 * One bit, in the heads everywhere, elsewhere at random and where it hurts:
 * in the beginnings of pages.
 */
START_TEST(flipped_bits)
{
	static uint8_t good[FILE_MAX];
	int dir = unit_tmpdir(NULL), fd;
	size_t len = make_file(dir, good), at;
	struct unit_rand rnd;

	unit_rand_start(&rnd);
	fd = openat(dir, FILE_NAME, O_WRONLY | O_CLOEXEC);
	for (unsigned i = 0; i < 800; i++) {
		uint8_t bad;

		if (i < 2 * 168)
			at = i / 168 * 4096 + i % 168;
		else if (i % 2)
			at = unit_rand(&rnd, (uint32_t)len);
		else
			at = unit_rand(&rnd, (uint32_t)(len / 4096)) * 4096ul +
			     unit_rand(&rnd, 128);
		bad = good[at] ^ (uint8_t)(1u << unit_rand(&rnd, 8));
		ck_assert_int_eq(pwrite(fd, &bad, 1, (off_t)at), 1);
		try_file(dir, "a bit", at);
		ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
		ck_assert_int_eq(fdio_pwrite_full(fd, good, len, 0),
				 (ssize_t)len);
	}
	try_file(dir, "nothing", 0);
	quotadb_free(open_db(dir, "101", QUOTADB_CLEAN));
	close(fd);
	close(dir);
}
END_TEST

START_TEST(other_damage)
{
	static uint8_t good[FILE_MAX], page[4096];
	int dir = unit_tmpdir(NULL);
	size_t len = make_file(dir, good);
	struct unit_rand rnd;

	unit_rand_start(&rnd);
	for (unsigned i = 0; i < 150; i++) {
		size_t pages = len / sizeof(page), cut = unit_rand(&rnd, len);
		size_t a = unit_rand(&rnd, pages), b = unit_rand(&rnd, pages);

		/* cut short */
		write_file(dir, FILE_NAME, good,
			   i % 2 ? cut : cut / sizeof(page) * sizeof(page));
		try_file(dir, "cut", cut);
		/* one page written over another */
		memcpy(page, good + a * sizeof(page), sizeof(page));
		memcpy(good + a * sizeof(page), good + b * sizeof(page),
		       sizeof(page));
		write_file(dir, FILE_NAME, good, len);
		try_file(dir, "page", a);
		memcpy(good + a * sizeof(page), page, sizeof(page));
		/* a page of zeros, or of anything */
		for (size_t k = 0; k < sizeof(page); k++)
			good[a * sizeof(page) + k] =
				i % 2 ? 0 : (uint8_t)unit_rand(&rnd, 256);
		write_file(dir, FILE_NAME, good, len);
		try_file(dir, "filled page", a);
		memcpy(good + a * sizeof(page), page, sizeof(page));
	}
	write_file(dir, FILE_NAME, good, len);
	quotadb_free(open_db(dir, "101", QUOTADB_CLEAN));
	close(dir);
}
END_TEST

/* A record that was changed in place, where no structure would show it. */
START_TEST(changed_records)
{
	static uint8_t good[FILE_MAX];
	int dir = unit_tmpdir(NULL), fd;
	struct ledger *l = new_ledger();
	struct quotadb *db = open_db(dir, "101", QUOTADB_NEW);
	size_t len, found = 0;
	uint8_t *at = good;
	const uint64_t mark = 0x0123456789abcull;

	use(l, LEDGER_USER, 5, mark, 1);
	save(db, l, true);
	quotadb_free(db);
	len = read_file(dir, good, sizeof(good));
	fd = openat(dir, FILE_NAME, O_WRONLY | O_CLOEXEC);
	while ((at = memmem(at, len - (size_t)(at - good), &mark, 8))) {
		ck_assert_int_eq(pwrite(fd, "\xff", 1, at - good), 1);
		at += 8;
		found++;
	}
	ck_assert_uint_ge(found, 1);
	refused(dir, "101", -EUCLEAN, "a record of a user");
	close(fd);
	close(dir);
	ledger_free(l);
}
END_TEST

Suite *test_quotadb_suite(void)
{
	Suite *s = suite_create("quotadb");
	TCase *c = tcase_create("quotadb");

	tcase_set_timeout(c, 200);
	tcase_add_test(c, there_and_back);
	tcase_add_test(c, a_new_file_changes_no_ledger);
	tcase_add_test(c, changes_alone);
	tcase_add_test(c, random_saves);
	tcase_add_test(c, many_users);
	tcase_add_test(c, not_ours);
	tcase_add_test(c, made_anew);
	tcase_add_test(c, flipped_bits);
	tcase_add_test(c, other_damage);
	tcase_add_test(c, changed_records);
	suite_add_tcase(s, c);
	return s;
}
