/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/freeze.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/u64map.h"
#include "templates/index.h"

/*
 * The queue holds the directories that are numbered and not yet looked into,
 * in the order of their numbers; what lies before `head` is done. In memory
 * are 8 bytes for each directory and 32 for each inode with several names.
 */

#define BATCH 2000u

struct freeze {
	struct store_txn *from;
	struct store *tree, *to;
	struct store_txn *out;
	unsigned changes;
	uint64_t next;
	struct strbuf queue; /* pairs: new number, old number */
	size_t head;
	struct u64map moved; /* old number -> new, of several names */
	struct strbuf bytes;
	struct digest_state *digest;
	uint32_t subdirs; /* of the directory that is being numbered */
	struct seal *seal;
	struct why *why;
};

static int put(struct freeze *f, unsigned table, struct store_bytes key,
	       struct store_bytes value)
{
	int r = store_put(f->out, table, key, value, STORE_APPEND);

	if (r < 0 || ++f->changes < BATCH)
		return r;
	f->changes = 0;
	r = store_commit(TAKE_PTR(f->out));
	/* what is read lies all over the tree: it would all be mapped */
	store_relax(f->tree);
	store_relax(f->to);
	return r < 0 ? r : store_begin(f->to, true, &f->out);
}

static int put_node(struct freeze *f, uint64_t ino, const struct node *n)
{
	uint8_t key[8];
	int r = node_encode(n, &f->bytes);

	if (r < 0)
		return r;
	node_digest(n, f->digest);
	f->seal->nodes++;
	if (S_ISREG(n->mode) &&
	    __builtin_add_overflow(f->seal->size, n->size, &f->seal->size))
		return why_set(f->why, -EFBIG,
			       "its files together have 2^64 bytes or more");
	store_put_u64(key, ino);
	return put(f, INDEX_NODES, STORE_BYTES(key, 8),
		   STORE_BYTES(strbuf_get(&f->bytes), f->bytes.len));
}

typedef int (*child_fn)(struct freeze *f, uint64_t dir, const char *name,
			size_t len, const struct node_dirent *d);

/* Every name in the old directory `old`; `dir` is handed on. */
static int each_child(struct freeze *f, uint64_t old, uint64_t dir, child_fn fn)
{
	struct store_cursor *c;
	struct store_bytes key, v;
	uint8_t from[8];
	struct node_dirent d;
	const char *name;
	uint64_t of;
	size_t len;
	int r = store_cursor_new(f->from, TREE_DIRENTS, &c);

	if (r < 0)
		return r;
	store_put_u64(from, old);
	key = STORE_BYTES(from, 8);
	for (r = store_seek(c, &key, &v); r == 0; r = store_next(c, &key, &v)) {
		r = node_key_decode(key.data, key.len, &of, &name, &len);
		if (r < 0 || of != old)
			break;
		r = node_dirent_decode(v.data, v.len, &d);
		if (r == 0)
			r = fn(f, dir, name, len, &d);
		if (r < 0)
			break;
	}
	store_cursor_free(c);
	return r == -ENOENT ? 0 : r;
}

static int count_subdir(struct freeze *f, _unused_ uint64_t dir,
			_unused_ const char *name, _unused_ size_t len,
			const struct node_dirent *d)
{
	f->subdirs += d->type == DT_DIR;
	return 0;
}

/* An old inode gets its number, its first name and its place in the table. */
static int renumber(struct freeze *f, uint64_t dir, const char *name,
		    size_t len, uint64_t old)
{
	uint64_t ino = f->next++, pair[2] = { ino, old };
	struct node n;
	int r;

	if (node_get(f->from, TREE_NODES, old, &n) < 0)
		return -EUCLEAN;
	n.parent = dir;
	n.name = name;
	n.name_len = (uint32_t)len;
	if (S_ISDIR(n.mode)) {
		f->subdirs = 0;
		r = each_child(f, old, 0, count_subdir);
		if (r == 0)
			r = strbuf_add(&f->queue, pair, sizeof(pair));
		if (r < 0)
			return r;
		n.nlink = 2 + f->subdirs;
		n.size = 4096;
		n.blocks = 8;
	}
	return put_node(f, ino, &n);
}

static int put_name(struct freeze *f, uint64_t dir, const char *name,
		    size_t len, const struct node_dirent *d)
{
	uint8_t key[NODE_KEY_MAX], value[NODE_DIRENT_BYTES];
	size_t key_len = node_key(dir, name, len, key);
	uint64_t tell[3] = { htole64(dir), htole64(d->ino), htole64(len) };

	node_dirent_encode(d, value);
	digest_update(f->digest, tell, sizeof(tell));
	digest_update(f->digest, name, len);
	return put(f, INDEX_DIRENTS, STORE_BYTES(key, key_len),
		   STORE_BYTES(value, sizeof(value)));
}

static int take_child(struct freeze *f, uint64_t dir, const char *name,
		      size_t len, const struct node_dirent *d)
{
	struct node_dirent own = { .ino = f->next, .type = d->type };
	uint64_t *moved;
	struct node n;
	int r;

	if (node_get(f->from, TREE_NODES, d->ino, &n) < 0 ||
	    node_type(n.mode) != d->type)
		return -EUCLEAN;
	if (n.nlink > 1 && !S_ISDIR(n.mode)) {
		moved = u64map_at(&f->moved, d->ino);
		if (!moved)
			return -ENOMEM;
		if (*moved) {
			own.ino = *moved;
			return put_name(f, dir, name, len, &own);
		}
		*moved = own.ino;
	}
	r = put_name(f, dir, name, len, &own);
	return r < 0 ? r : renumber(f, dir, name, len, d->ino);
}

static int walk(struct freeze *f)
{
	uint64_t pair[2];
	int r;

	f->next = NODE_ROOT;
	r = renumber(f, NODE_ROOT, "", 0, NODE_ROOT);
	while (r == 0 && f->head < f->queue.len) {
		memcpy(pair, strbuf_get(&f->queue) + f->head, sizeof(pair));
		f->head += sizeof(pair);
		r = each_child(f, pair[1], pair[0], take_child);
	}
	return r;
}

static int put_texts(struct freeze *f, const struct freeze_text *texts)
{
	int r = 0;

	for (; texts->key && r == 0; texts++)
		r = store_put(f->out, INDEX_META,
			      STORE_BYTES(texts->key, strlen(texts->key)),
			      STORE_BYTES(texts->text, texts->len), 0);
	return r;
}

static int run(struct freeze *f, const struct freeze_text *texts)
{
	int r = store_begin(f->tree, false, &f->from);

	if (r == 0)
		r = store_begin(f->to, true, &f->out);
	if (r == 0)
		r = put_texts(f, texts);
	if (r == 0)
		r = walk(f);
	if (r == 0)
		r = store_commit(TAKE_PTR(f->out));
	store_abort(f->from);
	store_abort(f->out);
	return r;
}

static int sum_up(int dir, struct seal *s)
{
	_cleanup_close_ int fd = fdio_openat(dir, SEAL_INDEX, O_RDONLY, 0);

	return fd < 0 ? fd : seal_sum(fd, &s->index_sum, &s->index_size);
}

int freeze_write(struct tree *t, int dir, const struct freeze_text *texts,
		 struct seal *s, struct why *why)
{
	struct freeze f = { .seal = s, .tree = tree_store(t), .why = why };
	int r = store_open(&f.to, dir, SEAL_INDEX, &index_layout);

	*s = (struct seal){ 0 };
	f.digest = digest_new();
	if (r == 0)
		r = f.digest ? run(&f, texts) : -ENOMEM;
	store_free(f.to);
	if (r == 0) {
		digest_final(f.digest, &s->digest);
		r = sum_up(dir, s);
	}
	if (f.digest)
		digest_free(f.digest);
	u64map_free(&f.moved);
	strbuf_free(&f.queue);
	strbuf_free(&f.bytes);
	return r < 0 ? why_sys(why, r, "writing the index") : 0;
}
