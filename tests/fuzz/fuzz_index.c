/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_index - an index whose records are any bytes: a list of
 *	table (1 byte), key length (1), value length (2), key, value
 * is put into a store with a seal that fits, and everything is read from it.
 * And the same bytes as a seal, and as an ACL.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/store.h"
#include "templates/index.h"
#include "templates/paxacl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int dir = -1;

static void set_up(void)
{
	static char root[] = "vefs-fuzz-XXXXXX";

	dir = mkdtemp(root) ? open(root, O_RDONLY | O_DIRECTORY) : -1;
	if (dir < 0)
		abort();
}

static void fill(const uint8_t *data, size_t len)
{
	struct store_options o = index_layout;
	struct store_txn *t;
	struct store *s;

	o.map_size = 1u << 26;
	if (store_open(&s, dir, SEAL_INDEX, &o) < 0 ||
	    store_begin(s, true, &t) < 0)
		abort();
	while (len >= 4) {
		unsigned table = data[0] % 3;
		size_t k = data[1], v = data[2] | (size_t)data[3] << 8;

		data += 4;
		len -= 4;
		k = k < len ? k : len;
		v = v < len - k ? v : len - k;
		/* LMDB takes no empty keys */
		store_put(t, table, STORE_BYTES(data, k),
			  STORE_BYTES(data + k, v), 0);
		data += k + v;
		len -= k + v;
	}
	if (store_commit(t) < 0)
		abort();
	store_free(s);
}

static void seal(void)
{
	int fd = openat(dir, SEAL_INDEX, O_RDONLY);
	struct seal s = { .serial = 1 };

	if (seal_sum(fd, &s.index_sum, &s.index_size) < 0)
		abort();
	close(fd);
	unlinkat(dir, SEAL_NAME, 0);
	if (seal_write(dir, &s) < 0)
		abort();
}

struct look {
	struct index *x;
	unsigned left; /* a circle of directories has no end */
};

static int look_name(void *ctx, const char *name, size_t len,
		     const struct node_dirent *d)
{
	struct look *l = ctx;
	struct node n;
	uint64_t ino;

	if (len == 0 || memchr(name, '/', len))
		abort();
	index_lookup(l->x, d->ino, name, len, &ino, &n);
	return l->left-- == 0;
}

/* Every byte: that it is there is seen by the sanitizer. */
static void touch(const void *data, size_t len)
{
	const volatile uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		(void)p[i];
}

static int look_node(void *ctx, uint64_t ino, const struct node *n)
{
	struct strbuf path = STRBUF_INIT;
	struct node_xattr x;
	struct look *l = ctx;
	struct stat st;
	size_t pos = 0;

	touch(n->name, n->name_len);
	touch(n->target, n->target_len);
	while (node_xattr_next(n, &pos, &x)) {
		touch(x.name, x.name_len);
		touch(x.value, x.value_len);
	}
	node_stat(n, ino, &st);
	index_path(l->x, ino, &path);
	strbuf_free(&path);
	index_list(l->x, ino, NULL, 0, look_name, l);
	index_list(l->x, ino, "m", 1, look_name, l);
	return l->left-- == 0;
}

static void look(void)
{
	struct look l = { .left = 1000 };
	const char *text;
	size_t len;

	if (index_open(dir, INDEX_CHECK, &l.x) < 0)
		return;
	index_text(l.x, INDEX_SOURCE, &text, &len);
	index_each(l.x, look_node, &l);
	l.left = 1000;
	index_list(l.x, NODE_ROOT, NULL, 0, look_name, &l);
	index_free(l.x);
}

static void as_seal(const uint8_t *data, size_t len)
{
	int fd = openat(dir, SEAL_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct seal s;

	if (write(fd, data, len) != (ssize_t)len)
		abort();
	close(fd);
	seal_read(dir, &s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct strbuf sorted = STRBUF_INIT;

	if (dir < 0)
		set_up();
	unlinkat(dir, SEAL_INDEX, 0);
	fill(data, len);
	seal();
	look();
	as_seal(data, len);
	paxacl_sort(data, len, &sorted);
	strbuf_free(&sorted);
	return 0;
}
