/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_quotadb - a quota.mdb that is any bytes, by the first of them:
 *	0	the rest is the file
 *	1	a good file with changes: offset (4), length (1), bytes; and cut
 *		off at (4) times 16 when a length is 0
 *	2	good sums, any content: kind (1), id (4), a record
 * What is taken for a good file can be loaded, written and opened again, and
 * says the same then.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/store.h"
#include "quota/dbrecord.h"
#include "quota/quotadb.h"

#define NAME "quota.mdb"
#define FILE_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int dir = -1;
static uint8_t good[FILE_MAX], file[FILE_MAX];
static size_t good_len;
static char why[256];

static int64_t now(void)
{
	return 1000000;
}

static struct ledger *ledger(void)
{
	struct ledger *l = ledger_new(-1, now);

	if (!l || ledger_recover(l) < 0)
		abort();
	return l;
}

static void write_file(const void *data, size_t len)
{
	int fd = openat(dir, NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0600);

	if (fd < 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
	close(fd);
}

static struct quotadb *open_it(void)
{
	struct quotadb *db;

	return quotadb_open_passing(&db, dir, NAME, "", why, sizeof(why)) < 0
		       ? NULL
		       : db;
}

/* Enough users for pages above pages, and some that are gone again. */
static void make_good(void)
{
	const uint64_t some[LIMIT_RESOURCES] = { 4096, 1 };
	const uint64_t none[LIMIT_RESOURCES] = { 0 };
	struct quotadb *db = open_it();
	struct ledger *l = ledger();
	int fd;

	for (uint32_t id = 0; db && id < 600; id++) {
		ledger_set_usage(l, LEDGER_USER, id * 7, some);
		if (id % 100 == 99 && quotadb_save(db, l, false) < 0)
			abort();
	}
	ledger_set(l, LEDGER_CONTAINER, 0, LIMIT_SPACE, 8192, 1 << 20);
	ledger_set(l, LEDGER_GROUP, 5, LIMIT_INODES, 1, 2);
	for (uint32_t id = 0; id < 600; id += 3)
		ledger_set_usage(l, LEDGER_USER, id * 7, none);
	if (!db || quotadb_save(db, l, true) < 0)
		abort();
	quotadb_free(db);
	ledger_free(l);
	fd = openat(dir, NAME, O_RDONLY | O_CLOEXEC);
	good_len = (size_t)read(fd, good, sizeof(good));
	close(fd);
	if (good_len == 0 || good_len >= sizeof(good))
		abort();
}

static void set_up(void)
{
	static char root[] = "vefs-fuzz-XXXXXX";

	dir = mkdtemp(root) ? open(root, O_RDONLY | O_DIRECTORY) : -1;
	if (dir < 0)
		abort();
	make_good();
}

static uint32_t number(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static void patched(const uint8_t *data, size_t len)
{
	size_t size = good_len;

	memcpy(file, good, good_len);
	while (len >= 5) {
		size_t at = number(data) % good_len, n = data[4];

		if (n == 0)
			size = (size_t)number(data) * 16 % (good_len + 16);
		data += 5;
		len -= 5;
		n = n < len ? n : len;
		n = n < good_len - at ? n : good_len - at;
		memcpy(file + at, data, n);
		data += n;
		len -= n;
	}
	write_file(file, size < good_len ? size : good_len);
}

static void put_record(struct store_txn *t, const uint8_t *data)
{
	enum ledger_kind kind = (enum ledger_kind)(data[0] % LEDGER_KINDS);
	struct limit_rec rec;
	struct dbrecord d;

	memcpy(&rec, data + 5, sizeof(rec));
	dbrecord_encode(&d, kind, number(data + 1), &rec);
	store_put(t, 1 + (unsigned)kind, STORE_BYTES(d.key, sizeof(d.key)),
		  STORE_BYTES(d.value, sizeof(d.value)), 0);
}

static void records(const uint8_t *data, size_t len)
{
	const struct store_options o = {
		.tables = { "meta", "container", "user", "group", NULL },
		.map_size = 1u << 26,
		.no_sync = true,
	};
	struct store_txn *t;
	struct store *s;

	write_file(good, good_len);
	if (store_open(&s, dir, NAME, &o) < 0 || store_begin(s, true, &t) < 0)
		abort();
	for (; len >= 5 + sizeof(struct limit_rec);
	     len -= 5 + sizeof(struct limit_rec)) {
		put_record(t, data);
		data += 5 + sizeof(struct limit_rec);
	}
	if (store_commit(t) < 0)
		abort();
	store_free(s);
}

struct same {
	struct ledger *other;
	unsigned n;
};

static void compare(void *ctx, uint32_t id, const struct limit_rec *r)
{
	struct same *s = ctx;
	struct limit_rec other;

	(void)id;
	ledger_get(s->other, LEDGER_USER, id, &other);
	if (memcmp(r, &other, sizeof(other)) != 0)
		abort();
	s->n++;
}

static void read_it(void)
{
	const uint64_t some[LIMIT_RESOURCES] = { 512, 3 };
	struct ledger *l = ledger(), *again = ledger();
	struct quotadb *db = open_it();
	struct same same = { .other = again };
	int r;

	if (db && quotadb_load(db, l) == 0) {
		/* Every page of it is written at some time. */
		for (uint32_t id = 0; id < 40; id++)
			ledger_set_usage(l, LEDGER_USER, id * 105, some);
		r = quotadb_save(db, l, true);
		quotadb_free(db);
		db = r == 0 ? open_it() : NULL;
		if (r == 0 && (!db || quotadb_load(db, again) < 0)) {
			fprintf(stderr, "saved, and then: %s\n", why);
			abort();
		}
		if (r == 0)
			ledger_each(l, LEDGER_USER, compare, &same);
	}
	quotadb_free(db);
	ledger_free(l);
	ledger_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (dir < 0)
		set_up();
	if (len == 0)
		return 0;
	if (data[0] == 0)
		write_file(data + 1, len - 1);
	else if (data[0] == 1)
		patched(data + 1, len - 1);
	else
		records(data + 1, len - 1);
	read_it();
	return 0;
}
