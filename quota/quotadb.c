/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/quotadb.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/store.h"
#include "fs/base/storecheck.h"
#include "fs/base/strbuf.h"
#include "quota/dbrecord.h"

/*
 * All of a file is looked at before anything of it is believed: its structure
 * (storecheck.h), then the sum of every record.
 *
 * `sums` remembers the sums that are on disk, in the order in which the ledger
 * gives its records: those that are still equal are not looked up. They are
 * only a shortcut. What differs, also because the order does, is compared with
 * the file; after an error all are forgotten.
 *
 * A file is made under another name: it is there whole, or not at all.
 */

#define MAP_SIZE ((size_t)4 << 30)
#define TABLE_META 0u
#define TABLE_OF(kind) (1u + (unsigned)(kind))
#define HEAD_KEY STORE_BYTES("head", 4)
#define ASIDE_MAX 10000u
#define SUMS_FIRST 64u

struct sums {
	uint64_t *sum;
	size_t n, cap;
};

struct quotadb {
	struct store *store;
	bool passing; /* nothing is synced */
	enum quotadb_state state;
	struct dbrecord_head head; /* on disk */
	char boot[DBRECORD_BOOT];  /* of now */
	char id[QUOTADB_ID_MAX + 1];
	/* Of the last time: */
	const struct ledger *ledger; /* NULL: there was none */
	uint64_t version;
	bool clean;
	struct sums sums[LEDGER_KINDS];
};

static int open_store(struct quotadb *db, int dirfd, const char *name,
		      bool no_sync)
{
	const struct store_options layout = {
		.tables = { "meta", "container", "user", "group", NULL },
		.map_size = MAP_SIZE,
		.no_sync = no_sync,
	};

	return store_open(&db->store, dirfd, name, &layout);
}

static _printf_(4, 5) int refuse(int err, char *why, size_t len,
				 const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, len, fmt, ap);
	va_end(ap);
	return err;
}

static bool is_zero(const struct limit_rec *r)
{
	static const struct limit_rec zero;

	return memcmp(r, &zero, sizeof(zero)) == 0;
}

/* Reading. */

typedef int (*each_fn)(void *ctx, enum ledger_kind kind, uint32_t id,
		       const struct limit_rec *r);

/* Call `fn`, which may be NULL, for each record of a kind until it fails. */
static int each(struct store_txn *t, enum ledger_kind kind, each_fn fn,
		void *ctx)
{
	struct dbrecord d = { .kind = (uint8_t)kind };
	struct store_bytes key, value;
	struct store_cursor *c;
	struct limit_rec rec;
	int r = store_cursor_new(t, TABLE_OF(kind), &c);

	if (r < 0)
		return r;
	while ((r = store_next(c, &key, &value)) == 0) {
		r = -EUCLEAN;
		if (key.len != sizeof(d.key) || value.len != sizeof(d.value))
			break;
		memcpy(d.key, key.data, sizeof(d.key));
		memcpy(d.value, value.data, sizeof(d.value));
		r = dbrecord_decode(&d, &rec);
		if (r == 0 && fn)
			r = fn(ctx, kind, dbrecord_id(d.key), &rec);
		if (r < 0)
			break;
	}
	store_cursor_free(c);
	return r == -ENOENT ? 0 : r;
}

static int load_one(void *ctx, enum ledger_kind kind, uint32_t id,
		    const struct limit_rec *r)
{
	return ledger_load(ctx, kind, id, r);
}

int quotadb_load(struct quotadb *db, struct ledger *l)
{
	struct store_txn *t;
	int r;

	if (db->state == QUOTADB_NEW)
		return 0;
	r = store_begin(db->store, false, &t);
	if (r < 0)
		return r;
	for (int k = 0; k < LEDGER_KINDS && r == 0; k++)
		r = each(t, (enum ledger_kind)k, load_one, l);
	store_abort(t);
	if (r < 0)
		return r;
	for (int k = 0; k < LEDGER_KINDS; k++) {
		enum ledger_kind kind = (enum ledger_kind)k;

		for (int i = 0; i < LIMIT_RESOURCES; i++)
			ledger_set_grace(l, kind, (enum limit_resource)i,
					 db->head.grace[k][i]);
		ledger_enforce(l, kind, db->head.enforce >> k & 1);
	}
	return 0;
}

/* Opening. */

static void read_boot(char boot[DBRECORD_BOOT])
{
	_cleanup_close_ int fd =
		open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, boot, DBRECORD_BOOT - 1);

	boot[n > 0 ? n : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

static int take_head(struct quotadb *db, struct store_bytes v, char *why,
		     size_t len)
{
	struct dbrecord_head h;
	int r = dbrecord_decode_head(v.data, v.len, &h);

	if (r == -EPROTONOSUPPORT)
		return refuse(r, why, len,
			      "it is of version %u, this program knows none "
			      "above %u: use a newer one",
			      h.version, QUOTADB_VERSION);
	if (r < 0)
		return refuse(r, why, len, "its head is wrong");
	if (*h.id && *db->id && strcmp(h.id, db->id) != 0)
		return refuse(-EXDEV, why, len,
			      "it is that of container %s, not of %s", h.id,
			      db->id);
	if (!*db->id)
		memcpy(db->id, h.id, sizeof(h.id));
	db->head = h;
	db->state = h.clean ? QUOTADB_CLEAN : QUOTADB_DIRTY;
	return 0;
}

/* Everything in it, before anything is believed. */
static int check_content(struct quotadb *db, char *why, size_t len)
{
	struct store_bytes v;
	struct store_txn *t;
	int r = store_begin(db->store, false, &t);

	if (r < 0)
		return refuse(r, why, len, "%s", strerror(-r));
	r = store_get(t, TABLE_META, HEAD_KEY, &v);
	if (r == 0)
		r = take_head(db, v, why, len);
	else if (r == -ENOENT)
		r = refuse(-EUCLEAN, why, len, "it has no head");
	else
		refuse(r, why, len, "%s", strerror(-r));
	for (int k = 0; k < LEDGER_KINDS && r == 0; k++) {
		r = each(t, (enum ledger_kind)k, NULL, NULL);
		if (r < 0)
			refuse(r, why, len, "a record of a %s is wrong",
			       ledger_kinds[k]);
	}
	store_abort(t);
	return r;
}

static int open_there(struct quotadb *db, int dirfd, const char *name,
		      char *why, size_t len)
{
	/* Closed before LMDB opens it: it locks nothing, but who knows. */
	int fd = fdio_openat(dirfd, name, O_RDONLY | O_NONBLOCK, 0);
	const char *what = "";
	int r = fd;

	if (fd >= 0) {
		r = storecheck(fd, MAP_SIZE, &what);
		close(fd);
	}
	if (r == -EFBIG)
		return refuse(-EUCLEAN, why, len, "it is too large");
	if (r == 0)
		r = open_store(db, dirfd, name, db->passing);
	if (r < 0)
		return refuse(r, why, len, "%s", *what ? what : strerror(-r));
	return check_content(db, why, len);
}

static int put_head(struct store_txn *t, const struct dbrecord_head *h)
{
	uint8_t bytes[DBRECORD_HEAD];

	dbrecord_encode_head(bytes, h);
	return store_put(t, TABLE_META, HEAD_KEY,
			 STORE_BYTES(bytes, sizeof(bytes)), 0);
}

/* Nobody knows the usage yet; the rest is as in a new ledger. */
static int fill_new(struct quotadb *db)
{
	struct dbrecord_head *h = &db->head;
	struct store_txn *t;
	int r = store_begin(db->store, true, &t);

	if (r < 0)
		return r;
	h->version = QUOTADB_VERSION;
	h->enforce = (1u << LEDGER_KINDS) - 1;
	for (int k = 0; k < LEDGER_KINDS; k++)
		for (int i = 0; i < LIMIT_RESOURCES; i++)
			h->grace[k][i] = LIMIT_GRACE_DEFAULT;
	memcpy(h->boot, db->boot, sizeof(h->boot));
	memcpy(h->id, db->id, sizeof(h->id));
	r = put_head(t, h);
	if (r < 0) {
		store_abort(t);
		return r;
	}
	return store_commit(t);
}

static int open_new(struct quotadb *db, int dirfd, const char *name, char *why,
		    size_t len)
{
	_cleanup_close_ int dir =
		fdio_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	char temp[NAME_MAX + 1];
	int r = dir < 0 ? dir : 0;

	if (snprintf(temp, sizeof(temp), "%s.new", name) >= (int)sizeof(temp))
		r = -ENAMETOOLONG;
	if (r == 0 && unlinkat(dir, temp, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0) {
		/* Nobody knows it yet: it is synced once. */
		r = open_store(db, dir, temp, true);
		if (r == 0)
			r = fill_new(db);
		if (r == 0 && !db->passing)
			r = store_sync_always(db->store);
		if (r == 0 && (renameat(dir, temp, dir, name) < 0 ||
			       (!db->passing && fsync(dir) < 0)))
			r = -errno;
		if (r < 0)
			unlinkat(dir, temp, 0);
	}
	db->state = QUOTADB_NEW;
	return r < 0 ? refuse(r, why, len, "cannot be made: %s", strerror(-r))
		     : 0;
}

static int begin(struct quotadb **out, const char *name, const char *id,
		 char *why, size_t len)
{
	if (strlen(id) > QUOTADB_ID_MAX)
		return refuse(-EINVAL, why, len,
			      "%s: a container's id has %u bytes at most", name,
			      QUOTADB_ID_MAX);
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return refuse(-ENOMEM, why, len, "%s: no memory", name);
	memcpy((*out)->id, id, strlen(id) + 1);
	read_boot((*out)->boot);
	return 0;
}

/* Freed on an error. */
static int finish(struct quotadb *db, int dirfd, const char *name, char *why,
		  size_t len)
{
	char what[160] = "";
	int r = fdio_exists(dirfd, name);

	if (r > 0)
		r = open_there(db, dirfd, name, what, sizeof(what));
	else if (r == 0)
		r = open_new(db, dirfd, name, what, sizeof(what));
	else
		refuse(r, what, sizeof(what), "%s", strerror(-r));
	if (r < 0) {
		quotadb_free(db);
		return refuse(r, why, len, "%s: %s%s", name,
			      r == -EUCLEAN ? "damaged: " : "", what);
	}
	store_relax(db->store);
	return 0;
}

int quotadb_open(struct quotadb **out, int dirfd, const char *name,
		 const char *id, char *why, size_t len)
{
	struct quotadb *db = NULL;
	int r = begin(&db, name, id, why, len);

	if (db)
		r = finish(db, dirfd, name, why, len);
	if (r == 0)
		*out = db;
	return r;
}

int quotadb_open_passing(struct quotadb **out, int dirfd, const char *name,
			 const char *id, char *why, size_t len)
{
	struct quotadb *db = NULL;
	int r = begin(&db, name, id, why, len);

	if (!db)
		return r;
	db->passing = true;
	r = finish(db, dirfd, name, why, len);
	if (r == 0)
		*out = db;
	return r;
}

void quotadb_free(struct quotadb *db)
{
	if (!db)
		return;
	store_free(db->store);
	for (int k = 0; k < LEDGER_KINDS; k++)
		free(db->sums[k].sum);
	free(db);
}

enum quotadb_state quotadb_state(const struct quotadb *db)
{
	return db->state;
}

/* Writing. */

struct save {
	struct quotadb *db;
	struct ledger *ledger;
	struct store_txn *t;
	enum ledger_kind kind;
	size_t at;	     /* records of this kind so far */
	struct strbuf stale; /* their keys */
	bool changed;
	int err;
};

/* Where the sum of the next record is; NULL: no memory. */
static uint64_t *next_sum(struct save *s)
{
	struct sums *m = &s->db->sums[s->kind];

	if (s->at == m->cap) {
		size_t cap = m->cap ? m->cap + m->cap / 2 : SUMS_FIRST;
		uint64_t *sum = realloc(m->sum, cap * sizeof(*sum));

		if (!sum)
			return NULL;
		m->sum = sum;
		m->cap = cap;
	}
	if (s->at == m->n)
		m->sum[m->n++] = 0;
	return &m->sum[s->at++];
}

/* The file has this record from now on; or, all zero, none. */
static int put_rec(struct save *s, const struct dbrecord *d, bool zero)
{
	struct store_bytes key = STORE_BYTES(d->key, sizeof(d->key));
	struct store_bytes value = STORE_BYTES(d->value, sizeof(d->value));
	struct store_bytes old;
	int r = store_get(s->t, TABLE_OF(s->kind), key, &old);

	if (r == -ENOENT && zero)
		return 0;
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && !zero && old.len == value.len &&
	    memcmp(old.data, value.data, value.len) == 0)
		return 0;
	s->changed = true;
	return zero ? store_del(s->t, TABLE_OF(s->kind), key)
		    : store_put(s->t, TABLE_OF(s->kind), key, value, 0);
}

static void save_rec(void *ctx, uint32_t id, const struct limit_rec *r)
{
	struct save *s = ctx;
	struct dbrecord d;
	uint64_t *old, sum;

	if (s->err < 0)
		return;
	old = next_sum(s);
	if (!old) {
		s->err = -ENOMEM;
		return;
	}
	sum = dbrecord_encode(&d, s->kind, id, r);
	if (sum == *old)
		return;
	s->err = put_rec(s, &d, is_zero(r));
	*old = sum;
}

static int find_stale(void *ctx, enum ledger_kind kind, uint32_t id,
		      const struct limit_rec *r)
{
	struct save *s = ctx;
	uint8_t key[DBRECORD_KEY];
	struct limit_rec now;

	(void)r;
	ledger_get(s->ledger, kind, id, &now);
	if (!is_zero(&now))
		return 0;
	dbrecord_put_id(key, id);
	return strbuf_add(&s->stale, key, sizeof(key));
}

/* The first time: what the ledger does not have at all. */
static int drop_stale(struct save *s)
{
	int r;

	strbuf_truncate(&s->stale, 0);
	r = each(s->t, s->kind, find_stale, s);
	for (size_t i = 0; i < s->stale.len && r == 0; i += DBRECORD_KEY) {
		r = store_del(s->t, TABLE_OF(s->kind),
			      STORE_BYTES(strbuf_get(&s->stale) + i,
					  DBRECORD_KEY));
		s->changed = true;
	}
	return r;
}

static void make_head(struct save *s, bool clean, struct dbrecord_head *h)
{
	*h = (struct dbrecord_head){ .version = QUOTADB_VERSION,
				     .clean = clean };
	for (int k = 0; k < LEDGER_KINDS; k++) {
		enum ledger_kind kind = (enum ledger_kind)k;

		h->enforce |= (uint32_t)ledger_enforces(s->ledger, kind) << k;
		for (int i = 0; i < LIMIT_RESOURCES; i++)
			h->grace[k][i] = ledger_grace(s->ledger, kind,
						      (enum limit_resource)i);
	}
	memcpy(h->boot, s->db->boot, sizeof(h->boot));
	memcpy(h->id, s->db->id, sizeof(h->id));
}

static int save_all(struct save *s, const struct dbrecord_head *h)
{
	uint8_t was[DBRECORD_HEAD], is[DBRECORD_HEAD];

	for (int k = 0; k < LEDGER_KINDS && s->err == 0; k++) {
		s->kind = (enum ledger_kind)k;
		s->at = 0;
		if (s->db->ledger != s->ledger)
			s->err = drop_stale(s);
		if (s->err == 0)
			ledger_each(s->ledger, s->kind, save_rec, s);
		s->db->sums[k].n = s->at;
	}
	dbrecord_encode_head(was, &s->db->head);
	dbrecord_encode_head(is, h);
	if (s->err == 0 && memcmp(was, is, sizeof(is)) != 0) {
		s->err = put_head(s->t, h);
		s->changed = true;
	}
	return s->err;
}

static void forget_sums(struct quotadb *db)
{
	for (int k = 0; k < LEDGER_KINDS; k++)
		db->sums[k].n = 0;
	db->ledger = NULL;
}

int quotadb_save(struct quotadb *db, struct ledger *l, bool clean)
{
	uint64_t version = ledger_version(l);
	struct save s = { .db = db, .ledger = l };
	struct dbrecord_head head;
	int r;

	if (db->ledger == l && db->version == version && db->clean == clean)
		return 0;
	if (db->ledger != l)
		forget_sums(db);
	r = store_begin(db->store, true, &s.t);
	if (r < 0)
		return r;
	make_head(&s, clean, &head);
	r = save_all(&s, &head);
	strbuf_free(&s.stale);
	if (r == 0 && s.changed)
		r = store_commit(s.t);
	else
		store_abort(s.t);
	/* All of it was looked at, maybe, and is not soon again. */
	store_relax(db->store);
	if (r < 0) {
		forget_sums(db);
		return r;
	}
	db->head = head;
	db->ledger = l;
	db->version = version;
	db->clean = clean;
	return 0;
}

int quotadb_set_aside(int dirfd, const char *name, char *aside, size_t len)
{
	for (unsigned n = 1; n < ASIDE_MAX; n++) {
		int r = snprintf(aside, len, "%s.damaged-%u", name, n);

		if (r < 0 || (size_t)r >= len)
			return -ENAMETOOLONG;
		if (renameat2(dirfd, name, dirfd, aside, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}
