/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/store.h"

#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

/*
 * struct store_cursor is LMDB's own; a transaction carries its store, to know
 * the tables' handles.
 */
struct store {
	MDB_env *env;
	MDB_dbi dbi[STORE_TABLES_MAX];
	bool read_only;
	/* for store_relax() */
	char first[64]; /* table's name */
	bool looked;
	void *map;
	size_t map_size;
};

struct store_txn {
	MDB_txn *txn;
	struct store *store;
};

static const struct {
	int mdb;
	int err;
} errors[] = {
	{ MDB_KEYEXIST, -EEXIST },
	{ MDB_NOTFOUND, -ENOENT },
	{ MDB_PAGE_NOTFOUND, -EUCLEAN },
	{ MDB_CORRUPTED, -EUCLEAN },
	{ MDB_PANIC, -EIO },
	{ MDB_VERSION_MISMATCH, -EPROTONOSUPPORT },
	{ MDB_INVALID, -EUCLEAN },
	{ MDB_MAP_FULL, -ENOSPC },
	{ MDB_TXN_FULL, -E2BIG },
	{ MDB_CURSOR_FULL, -EUCLEAN },
	{ MDB_PAGE_FULL, -EUCLEAN },
	{ MDB_INCOMPATIBLE, -EUCLEAN },
	{ MDB_BAD_TXN, -EIO },
	{ MDB_BAD_VALSIZE, -EINVAL },
};

static int to_errno(int r)
{
	if (r == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].mdb == r)
			return errors[i].err;
	return r > 0 ? -r : -EIO;
}

static MDB_val to_val(struct store_bytes b)
{
	return (MDB_val){ .mv_size = b.len, .mv_data = (void *)b.data };
}

static struct store_bytes from_val(MDB_val v)
{
	return STORE_BYTES(v.mv_data, v.mv_size);
}

static int open_tables(struct store *s, const struct store_options *o)
{
	MDB_txn *txn;
	int r = mdb_txn_begin(s->env, NULL, o->read_only ? MDB_RDONLY : 0,
			      &txn);

	if (r)
		return to_errno(r);
	for (unsigned i = 0; i < STORE_TABLES_MAX && o->tables[i] && !r; i++)
		r = mdb_dbi_open(txn, o->tables[i],
				 o->read_only ? 0 : MDB_CREATE, &s->dbi[i]);
	if (r) {
		mdb_txn_abort(txn);
		return r == MDB_NOTFOUND ? -EUCLEAN : to_errno(r);
	}
	return to_errno(mdb_txn_commit(txn));
}

static int open_env(struct store *s, const char *path,
		    const struct store_options *o)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS;
	size_t size = o->map_size;
	struct stat st;
	int r;

	if (o->read_only)
		flags |= MDB_RDONLY | MDB_NORDAHEAD;
	if (o->no_sync)
		flags |= MDB_NOSYNC;
	if (!size) {
		if (stat(path, &st) < 0)
			return -errno;
		size = (size_t)st.st_size;
	}
	r = mdb_env_set_maxdbs(s->env, STORE_TABLES_MAX);
	if (!r)
		r = mdb_env_set_mapsize(s->env, size);
	if (!r)
		r = mdb_env_open(s->env, path, flags, 0600);
	return to_errno(r);
}

int store_open(struct store **out, int dirfd, const char *name,
	       const struct store_options *o)
{
	char dir[FDIO_PROC_MAX], path[FDIO_PROC_MAX + 256];
	struct store *s;
	int r;

	r = snprintf(path, sizeof(path), "%s/%s", fdio_proc(dir, dirfd), name);
	if (r < 0 || (size_t)r >= sizeof(path))
		return -ENAMETOOLONG;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->read_only = o->read_only;
	snprintf(s->first, sizeof(s->first), "%s", o->tables[0]);
	r = to_errno(mdb_env_create(&s->env));
	if (!r)
		r = open_env(s, path, o);
	if (!r)
		r = open_tables(s, o);
	if (r) {
		store_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	if (s->env)
		mdb_env_close(s->env);
	free(s);
}

int store_fd(const struct store *s)
{
	int fd = -1;

	mdb_env_get_fd(s->env, &fd);
	return fd;
}

int store_sync(struct store *s)
{
	return to_errno(mdb_env_sync(s->env, 1));
}

int store_sync_always(struct store *s)
{
	int r = to_errno(mdb_env_set_flags(s->env, MDB_NOSYNC, 0));

	return r < 0 ? r : store_sync(s);
}

/* Where something lies in the map, or NULL. */
static const void *in_map(struct store *s, const char *table)
{
	MDB_val key = { .mv_size = strlen(table), .mv_data = (void *)table };
	MDB_val v = { 0 };
	MDB_txn *txn;
	MDB_dbi all;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn))
		return NULL;
	if (mdb_dbi_open(txn, NULL, 0, &all) || mdb_get(txn, all, &key, &v))
		v.mv_data = NULL;
	mdb_txn_abort(txn);
	return v.mv_data;
}

/* LMDB does not say where its map is: ask the kernel what is around `at`. */
static void find_map(struct store *s, const void *at)
{
	FILE *f = at ? fopen("/proc/self/maps", "re") : NULL;
	_cleanup_free_ char *line = NULL;
	char *end;
	size_t n = 0;

	while (f && !s->map && getline(&line, &n, f) > 0) {
		uintptr_t from = strtoul(line, &end, 16), to;

		to = *end == '-' ? strtoul(end + 1, NULL, 16) : 0;
		if ((uintptr_t)at < from || (uintptr_t)at >= to)
			continue;
		s->map = (char *)at - ((uintptr_t)at - from);
		s->map_size = to - from;
	}
	if (f)
		fclose(f);
}

void store_relax(struct store *s)
{
	if (!s->looked)
		find_map(s, in_map(s, s->first));
	s->looked = true;
	if (s->map)
		madvise(s->map, s->map_size, MADV_DONTNEED);
}

int store_begin(struct store *s, bool write, struct store_txn **out)
{
	struct store_txn *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->store = s;
	r = mdb_txn_begin(s->env, NULL, write ? 0 : MDB_RDONLY, &t->txn);
	if (r) {
		free(t);
		return to_errno(r);
	}
	*out = t;
	return 0;
}

/*
 * LMDB says EIO of a write that was cut short, which is how a disk becomes
 * full. What comes next there is told why.
 */
static int why_short(const struct store *s)
{
	static const char page[4096];
	int fd = store_fd(s);
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -EIO;
	n = pwrite(fd, page, sizeof(page), st.st_size);
	if (n < 0)
		return -errno;
	if (n > 0 && ftruncate(fd, st.st_size) < 0)
		return -EIO;
	return (size_t)n < sizeof(page) ? -ENOSPC : -EIO;
}

int store_commit(struct store_txn *t)
{
	int r = to_errno(mdb_txn_commit(t->txn));

	if (r == -EIO && !t->store->read_only)
		r = why_short(t->store);
	free(t);
	return r;
}

void store_abort(struct store_txn *t)
{
	if (!t)
		return;
	mdb_txn_abort(t->txn);
	free(t);
}

int store_get(struct store_txn *t, unsigned table, struct store_bytes key,
	      struct store_bytes *value)
{
	MDB_val k = to_val(key), v;
	int r = mdb_get(t->txn, t->store->dbi[table], &k, &v);

	if (!r)
		*value = from_val(v);
	return to_errno(r);
}

int store_put(struct store_txn *t, unsigned table, struct store_bytes key,
	      struct store_bytes value, unsigned flags)
{
	MDB_val k = to_val(key), v = to_val(value);
	unsigned f = 0;

	if (flags & STORE_NEW)
		f |= MDB_NOOVERWRITE;
	if (flags & STORE_APPEND)
		f |= MDB_APPEND;
	return to_errno(mdb_put(t->txn, t->store->dbi[table], &k, &v, f));
}

int store_del(struct store_txn *t, unsigned table, struct store_bytes key)
{
	MDB_val k = to_val(key);

	return to_errno(mdb_del(t->txn, t->store->dbi[table], &k, NULL));
}

int store_cursor_new(struct store_txn *t, unsigned table,
		     struct store_cursor **out)
{
	MDB_cursor *c;
	int r = mdb_cursor_open(t->txn, t->store->dbi[table], &c);

	if (!r)
		*out = (struct store_cursor *)c;
	return to_errno(r);
}

void store_cursor_free(struct store_cursor *c)
{
	if (c)
		mdb_cursor_close((MDB_cursor *)c);
}

static int step(struct store_cursor *c, struct store_bytes *key,
		struct store_bytes *value, MDB_cursor_op op)
{
	MDB_val k = to_val(*key), v;
	int r = mdb_cursor_get((MDB_cursor *)c, &k, &v, op);

	if (r)
		return to_errno(r);
	*key = from_val(k);
	*value = from_val(v);
	return 0;
}

int store_seek(struct store_cursor *c, struct store_bytes *key,
	       struct store_bytes *value)
{
	return step(c, key, value, MDB_SET_RANGE);
}

int store_next(struct store_cursor *c, struct store_bytes *key,
	       struct store_bytes *value)
{
	*key = STORE_BYTES(NULL, 0);
	return step(c, key, value, MDB_NEXT);
}
