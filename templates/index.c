/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/index.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/store.h"

/*
 * LMDB wants a read transaction in one thread at a time, so there is a handful
 * of them, taken and put back by one atomic exchange each; when all are taken
 * a caller makes one for himself. They never end before the index does: the
 * file does not change, so they are all the same.
 */

#define VIEWS 16u
#define DEPTH_MAX 40000u /* of a path: more is a circle */

const struct store_options index_layout = {
	.tables = { "dirents", "nodes", "meta", NULL },
	.map_size = (size_t)1 << 36,
	.no_sync = true,
};

struct index {
	struct store *store;
	struct seal seal;
	_Atomic(struct store_txn *) views[VIEWS];
};

static int take(struct index *x, struct store_txn **t)
{
	for (unsigned i = 0; i < VIEWS; i++) {
		if (!atomic_load_explicit(&x->views[i], memory_order_relaxed))
			continue;
		*t = atomic_exchange(&x->views[i], NULL);
		if (*t)
			return 0;
	}
	return store_begin(x->store, false, t);
}

static void put(struct index *x, struct store_txn *t)
{
	for (unsigned i = 0; i < VIEWS; i++) {
		struct store_txn *none = NULL;

		if (atomic_compare_exchange_strong(&x->views[i], &none, t))
			return;
	}
	store_abort(t);
}

static int check_bytes(const struct seal *s, int fd, unsigned flags)
{
	struct digest sum;
	struct stat st;
	uint64_t size;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != s->index_size)
		return -EUCLEAN;
	if (!(flags & INDEX_CHECK))
		return 0;
	r = seal_sum(fd, &sum, &size);
	if (r < 0)
		return r;
	return memcmp(&sum, &s->index_sum, sizeof(sum)) ? -EUCLEAN : 0;
}

int index_open(int dir, unsigned flags, struct index **out)
{
	struct store_options o = index_layout;
	_cleanup_close_ int fd = -1;
	struct store_txn *t;
	struct index *x;
	struct node root;
	int r;

	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	o.map_size = 0;
	o.read_only = true;
	r = seal_read(dir, &x->seal);
	if (r == 0)
		r = fd = fdio_openat(dir, SEAL_INDEX, O_RDONLY, 0);
	if (r >= 0)
		r = check_bytes(&x->seal, fd, flags);
	if (r == 0)
		r = store_open(&x->store, dir, SEAL_INDEX, &o);
	if (r == 0)
		r = store_begin(x->store, false, &t);
	if (r == 0) {
		put(x, t);
		r = index_node(x, NODE_ROOT, &root);
		if (r == -ENOENT || (r == 0 && !S_ISDIR(root.mode)))
			r = -EUCLEAN;
	}
	if (r < 0) {
		index_free(x);
		return r;
	}
	*out = x;
	return 0;
}

void index_free(struct index *x)
{
	if (!x)
		return;
	for (unsigned i = 0; i < VIEWS; i++)
		store_abort(x->views[i]);
	store_free(x->store);
	free(x);
}

int index_fd(const struct index *x)
{
	return store_fd(x->store);
}

const struct seal *index_seal(const struct index *x)
{
	return &x->seal;
}

int index_text(struct index *x, const char *key, const char **text, size_t *len)
{
	struct store_bytes v;
	struct store_txn *t;
	int r = take(x, &t);

	if (r < 0)
		return r;
	r = store_get(t, INDEX_META, STORE_BYTES(key, strlen(key)), &v);
	put(x, t);
	if (r < 0)
		return r;
	*text = v.data;
	*len = v.len;
	return 0;
}

int index_node(struct index *x, uint64_t ino, struct node *out)
{
	struct store_txn *t;
	int r = take(x, &t);

	if (r < 0)
		return r;
	r = node_get(t, INDEX_NODES, ino, out);
	put(x, t);
	return r;
}

int index_lookup(struct index *x, uint64_t dir, const char *name, size_t len,
		 uint64_t *ino, struct node *n)
{
	uint8_t key[NODE_KEY_MAX];
	struct node_dirent d;
	struct store_bytes v;
	struct store_txn *t;
	int r;

	if (len == 0)
		return -ENOENT;
	if (len > NODE_NAME_MAX)
		return -ENAMETOOLONG;
	r = take(x, &t);
	if (r < 0)
		return r;
	r = store_get(t, INDEX_DIRENTS,
		      STORE_BYTES(key, node_key(dir, name, len, key)), &v);
	if (r == 0)
		r = node_dirent_decode(v.data, v.len, &d);
	if (r == 0 && n) {
		r = node_get(t, INDEX_NODES, d.ino, n);
		/* a name without its inode is no missing name */
		if (r == -ENOENT)
			r = -EUCLEAN;
	}
	put(x, t);
	if (r == 0)
		*ino = d.ino;
	return r;
}

static int list_from(struct store_cursor *c, uint64_t dir,
		     struct store_bytes key, index_emit_fn emit, void *ctx)
{
	struct store_bytes v;
	struct node_dirent d;
	const char *name;
	uint64_t of;
	size_t len;
	int r;

	for (r = store_seek(c, &key, &v); r == 0; r = store_next(c, &key, &v)) {
		r = node_key_decode(key.data, key.len, &of, &name, &len);
		if (r < 0 || of != dir)
			return r;
		r = node_dirent_decode(v.data, v.len, &d);
		if (r == 0)
			r = emit(ctx, name, len, &d);
		if (r)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

int index_list(struct index *x, uint64_t dir, const char *after,
	       size_t after_len, index_emit_fn emit, void *ctx)
{
	uint8_t key[NODE_KEY_MAX + 1];
	struct store_cursor *c;
	struct store_txn *t;
	size_t len;
	int r;

	if (after_len > NODE_NAME_MAX)
		return -ENAMETOOLONG;
	r = take(x, &t);
	if (r < 0)
		return r;
	/* one byte more: the lowest key behind that name */
	len = node_key(dir, after ? after : "", after ? after_len : 0, key);
	key[len++] = 0;
	r = store_cursor_new(t, INDEX_DIRENTS, &c);
	if (r == 0) {
		r = list_from(c, dir, STORE_BYTES(key, len), emit, ctx);
		store_cursor_free(c);
	}
	put(x, t);
	return r;
}

static int each(struct store_cursor *c, index_node_fn fn, void *ctx)
{
	struct store_bytes key, v;
	struct node n;
	int r;

	while ((r = store_next(c, &key, &v)) == 0) {
		if (key.len != 8)
			return -EUCLEAN;
		r = node_decode(v.data, v.len, &n);
		if (r == 0)
			r = fn(ctx, store_get_u64(key.data), &n);
		if (r)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

int index_each(struct index *x, index_node_fn fn, void *ctx)
{
	struct store_cursor *c;
	struct store_txn *t;
	int r = take(x, &t);

	if (r < 0)
		return r;
	r = store_cursor_new(t, INDEX_NODES, &c);
	if (r == 0) {
		r = each(c, fn, ctx);
		store_cursor_free(c);
	}
	put(x, t);
	return r;
}

int index_path(struct index *x, uint64_t ino, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	struct node n;
	unsigned depth = 0;
	size_t end;
	int r = 0;

	/* names from the last to the first, each with its length behind it */
	while (ino != NODE_ROOT) {
		r = index_node(x, ino, &n);
		if (r < 0 || ++depth > DEPTH_MAX)
			return r == -ENOENT || r == 0 ? -EUCLEAN : r;
		strbuf_add(&all, n.name, n.name_len);
		strbuf_putc(&all, (char)n.name_len);
		ino = n.parent;
	}
	for (end = all.len; end > 0 && !strbuf_error(&all);) {
		const char *s = strbuf_get(&all);
		size_t len = (unsigned char)s[end - 1];

		strbuf_add(out, s + end - 1 - len, len);
		end -= len + 1;
		if (end)
			strbuf_putc(out, '/');
	}
	return strbuf_error(&all) ? strbuf_error(&all) : strbuf_error(out);
}
