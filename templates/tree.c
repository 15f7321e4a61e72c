/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/tree.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "templates/treepriv.h"

/*
 * Invariants: every name leads to a node; a directory has one name (the root
 * none), and a node as many as its nlink says. The root is there from the
 * start. Numbers are never given twice, so a late tree_set_object() cannot hit
 * another file. One write transaction is always open and committed every
 * BATCH changes, without sync: a crash throws the staging directory away.
 *
 * A name carries the layer of the last entry at or below it: what it says of
 * the layers below (whiteouts, opaque) spares those of its own layer.
 */

#define BATCH 2000u
#define RELAX 16u /* batches; then the mapped pages may go */
#define MAP_SIZE ((size_t)1 << 36)

static int step(struct tree *t)
{
	int r;

	if (++t->changes < BATCH)
		return 0;
	t->changes = 0;
	r = store_commit(TAKE_PTR(t->txn));
	if (++t->batches % RELAX == 0)
		store_relax(t->store);
	if (r == 0)
		r = store_begin(t->store, true, &t->txn);
	return r < 0 ? why_sys(t->why, r, "the staging index") : 0;
}

int treepriv_put_node(struct tree *t, uint64_t ino, const struct node *n)
{
	uint8_t key[8];
	int r = node_encode(n, &t->bytes);

	store_put_u64(key, ino);
	if (r == 0)
		r = store_put(t->txn, TREE_NODES, STORE_BYTES(key, 8),
			      STORE_BYTES(strbuf_get(&t->bytes), t->bytes.len),
			      0);
	return r < 0 ? why_sys(t->why, r, "the staging index") : step(t);
}

static int del_node(struct tree *t, uint64_t ino)
{
	uint8_t key[8];

	store_put_u64(key, ino);
	return store_del(t->txn, TREE_NODES, STORE_BYTES(key, 8));
}

int treepriv_get_name(struct tree *t, uint64_t dir, const char *name,
		      size_t len, struct node_dirent *d)
{
	struct store_bytes value;
	uint8_t key[NODE_KEY_MAX];
	int r;

	r = store_get(t->txn, TREE_DIRENTS,
		      STORE_BYTES(key, node_key(dir, name, len, key)), &value);
	return r < 0 ? r : node_dirent_decode(value.data, value.len, d);
}

int treepriv_put_name(struct tree *t, uint64_t dir, const char *name,
		      size_t len, const struct node_dirent *d)
{
	uint8_t key[NODE_KEY_MAX], value[NODE_DIRENT_BYTES];
	int r;

	node_dirent_encode(d, value);
	r = store_put(t->txn, TREE_DIRENTS,
		      STORE_BYTES(key, node_key(dir, name, len, key)),
		      STORE_BYTES(value, sizeof(value)), 0);
	return r < 0 ? why_sys(t->why, r, "the staging index") : step(t);
}

static int del_name(struct tree *t, uint64_t dir, const char *name, size_t len)
{
	uint8_t key[NODE_KEY_MAX];

	return store_del(t->txn, TREE_DIRENTS,
			 STORE_BYTES(key, node_key(dir, name, len, key)));
}

const struct node treepriv_implied = { .mode = S_IFDIR | 0755 };

/* ---- removing ------------------------------------------------------------ */

struct child {
	char name[NODE_NAME_MAX];
	size_t len; /* 0: before the first */
	struct node_dirent d;
};

/* The child after `c` by name. -ENOENT: no more. */
static int next_child(struct tree *t, uint64_t dir, struct child *c)
{
	struct store_cursor *cursor;
	struct store_bytes k, v;
	uint8_t key[NODE_KEY_MAX + 1];
	const char *name;
	uint64_t of;
	size_t len;
	int r;

	/* one byte more than the last: the lowest key behind it */
	len = node_key(dir, c->name, c->len, key);
	key[len++] = 0;
	k = STORE_BYTES(key, len);
	r = store_cursor_new(t->txn, TREE_DIRENTS, &cursor);
	if (r < 0)
		return r;
	r = store_seek(cursor, &k, &v);
	store_cursor_free(cursor);
	if (r == 0)
		r = node_key_decode(k.data, k.len, &of, &name, &len);
	if (r == 0 && of != dir)
		r = -ENOENT;
	if (r == 0)
		r = node_dirent_decode(v.data, v.len, &c->d);
	if (r == 0) {
		memcpy(c->name, name, len);
		c->len = len;
	}
	return r;
}

static int unlink_node(struct tree *t, uint64_t ino)
{
	struct node n;
	int r = node_get(t->txn, TREE_NODES, ino, &n);

	if (r < 0)
		return r;
	if (n.nlink <= 1)
		return del_node(t, ino);
	n.nlink--;
	return treepriv_put_node(t, ino, &n);
}

static int push(struct strbuf *stack, uint64_t ino)
{
	return strbuf_add(stack, &ino, sizeof(ino));
}

static bool pop(struct strbuf *stack, uint64_t *ino)
{
	if (stack->len < sizeof(*ino))
		return false;
	memcpy(ino, strbuf_get(stack) + stack->len - sizeof(*ino),
	       sizeof(*ino));
	strbuf_truncate(stack, stack->len - sizeof(*ino));
	return true;
}

/* A directory without a name any more, and all below it. */
static int remove_dir(struct tree *t, uint64_t dir)
{
	_cleanup_strbuf_ struct strbuf stack = STRBUF_INIT;
	int r = push(&stack, dir);

	strbuf_clear(&t->last_path);
	t->last_dir = 0;
	while (r == 0 && pop(&stack, &dir)) {
		struct child c = { .len = 0 };

		while ((r = next_child(t, dir, &c)) == 0) {
			r = del_name(t, dir, c.name, c.len);
			if (r == 0)
				r = c.d.type == DT_DIR
					    ? push(&stack, c.d.ino)
					    : unlink_node(t, c.d.ino);
			if (r == 0)
				r = step(t);
			if (r < 0)
				return r;
		}
		if (r == -ENOENT)
			r = del_node(t, dir);
	}
	return r;
}

int treepriv_remove_name(struct tree *t, uint64_t dir, const char *name,
			 size_t len, const struct node_dirent *d)
{
	int r = del_name(t, dir, name, len);

	if (r == 0)
		r = d->type == DT_DIR ? remove_dir(t, d->ino)
				      : unlink_node(t, d->ino);
	return r == 0 ? step(t) : r;
}

/* Everything in `dir` that came with layers below is gone. */
int treepriv_prune(struct tree *t, uint64_t dir)
{
	_cleanup_strbuf_ struct strbuf stack = STRBUF_INIT;
	int r = push(&stack, dir);

	while (r == 0 && pop(&stack, &dir)) {
		struct child c = { .len = 0 };

		while ((r = next_child(t, dir, &c)) == 0) {
			if (c.d.layer < t->layer)
				r = treepriv_remove_name(t, dir, c.name, c.len,
							 &c.d);
			else if (c.d.type == DT_DIR)
				r = push(&stack, c.d.ino);
			if (r < 0)
				return r;
		}
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/* ---- adding -------------------------------------------------------------- */

int treepriv_count(struct tree *t, const struct node *n)
{
	if (++t->entries > t->limits.entries)
		return why_set(t->why, -E2BIG, "more than %llu entries",
			       (unsigned long long)t->limits.entries);
	if ((S_ISBLK(n->mode) || S_ISCHR(n->mode)) &&
	    ++t->devices > t->limits.devices)
		return why_set(t->why, -E2BIG, "more than %llu device nodes",
			       (unsigned long long)t->limits.devices);
	return 0;
}

static int make_way(struct tree *t, uint64_t dir, const char *name,
		    const struct node_dirent *old, const struct node *n)
{
	size_t len = strlen(name);
	struct child c = { .len = 0 };

	if (old->type == DT_DIR && old->layer == t->layer &&
	    next_child(t, old->ino, &c) == 0)
		return why_set(t->why, -ENOTEMPTY,
			       "'%s' is a directory with entries and comes "
			       "again as something else (mode %o)",
			       name, n->mode);
	return treepriv_remove_name(t, dir, name, len, old);
}

int treepriv_add(struct tree *t, uint64_t dir, const char *name,
		 const struct node *n, uint64_t *ino)
{
	struct node_dirent d = { 0 };
	struct node own = *n;
	size_t len = strlen(name);
	int r = treepriv_get_name(t, dir, name, len, &d);

	if (r < 0 && r != -ENOENT)
		return why_sys(t->why, r, "the staging index");
	own.parent = 0;
	own.name = NULL;
	own.name_len = 0;
	own.nlink = 1;
	own.object = (struct object_id){ 0 };
	if (r == 0 && !(S_ISDIR(n->mode) && d.type == DT_DIR)) {
		r = make_way(t, dir, name, &d, n);
		if (r < 0)
			return why_sys(t->why, r, "replacing '%s'", name);
		d.ino = 0;
	}
	if (!d.ino)
		d.ino = t->next_ino++;
	d.type = node_type(n->mode);
	d.layer = t->layer;
	r = treepriv_put_name(t, dir, name, len, &d);
	if (r == 0)
		r = treepriv_put_node(t, d.ino, &own);
	if (r == 0)
		*ino = d.ino;
	return r;
}

int treepriv_check_name(struct tree *t, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || !strcmp(name, ".") || !strcmp(name, "..") ||
	    strchr(name, '/'))
		return why_set(t->why, -EINVAL, "'%s' is not a name", name);
	if (len > NODE_NAME_MAX)
		return why_set(t->why, -ENAMETOOLONG,
			       "a name of %zu bytes: '%.64s...' (%u is the "
			       "limit)",
			       len, name, NODE_NAME_MAX);
	return 0;
}

int tree_add_at(struct tree *t, uint64_t dir, const char *name,
		const struct node *n, uint64_t *ino)
{
	int r = treepriv_check_name(t, name);

	if (r == 0)
		r = treepriv_count(t, n);
	return r < 0 ? r : treepriv_add(t, dir, name, n, ino);
}

int tree_link_at(struct tree *t, uint64_t dir, const char *name, uint64_t ino)
{
	struct node_dirent old, d = { .ino = ino, .layer = t->layer };
	struct node n;
	int r = treepriv_check_name(t, name);

	if (r < 0)
		return r;
	r = treepriv_get_name(t, dir, name, strlen(name), &old);
	if (r == 0 && old.ino == ino)
		return 0;
	if (r < 0 && r != -ENOENT)
		return why_sys(t->why, r, "the staging index");
	if (r == 0) {
		n = (struct node){ .mode = S_IFREG };
		/* of the target one link stays: its own name */
		r = make_way(t, dir, name, &old, &n);
		if (r < 0)
			return why_sys(t->why, r, "replacing '%s'", name);
	}
	r = node_get(t->txn, TREE_NODES, ino, &n);
	if (r == -ENOENT)
		return why_set(t->why, -ENOENT,
			       "hard link '%s' replaced its own target", name);
	if (r < 0)
		return why_sys(t->why, r, "the staging index");
	if (S_ISDIR(n.mode))
		return why_set(t->why, -EISDIR,
			       "'%s' is a hard link to a directory", name);
	d.type = node_type(n.mode);
	n.nlink++;
	r = treepriv_put_node(t, ino, &n);
	return r < 0 ? r : treepriv_put_name(t, dir, name, strlen(name), &d);
}

int tree_set_object(struct tree *t, uint64_t ino, const struct object_put *put)
{
	struct node n;
	int r = node_get(t->txn, TREE_NODES, ino, &n);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return why_sys(t->why, r, "the staging index");
	n.object = put->id;
	n.blocks = put->blocks;
	return treepriv_put_node(t, ino, &n);
}

int tree_next_layer(struct tree *t)
{
	if (t->layer == UINT16_MAX)
		return why_set(t->why, -E2BIG, "more than %u layers",
			       UINT16_MAX);
	t->layer++;
	/* a directory is marked anew when it is entered */
	t->last_dir = 0;
	return 0;
}

/* ---- life ---------------------------------------------------------------- */

int tree_new(struct tree **out, int staging, const struct tree_limits *limits,
	     struct why *why)
{
	static const struct store_options options = {
		.tables = { "dirents", "nodes", NULL },
		.map_size = MAP_SIZE,
		.no_sync = true,
	};
	struct tree *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->why = why;
	t->limits = *limits;
	t->next_ino = NODE_ROOT + 1;
	t->layer = 1;
	r = store_open(&t->store, staging, "tree.mdb", &options);
	if (r == 0)
		r = store_begin(t->store, true, &t->txn);
	if (r < 0)
		why_sys(why, r, "the staging index");
	else
		r = treepriv_put_node(t, NODE_ROOT, &treepriv_implied);
	if (r < 0) {
		tree_free(t);
		return r;
	}
	*out = t;
	return 0;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	store_abort(t->txn);
	store_free(t->store);
	strbuf_free(&t->bytes);
	strbuf_free(&t->last_path);
	free(t);
}

int tree_finish(struct tree *t)
{
	int r = store_commit(TAKE_PTR(t->txn));

	return r < 0 ? why_sys(t->why, r, "the staging index") : 0;
}

struct store *tree_store(struct tree *t)
{
	return t->store;
}
