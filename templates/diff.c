/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/diff.h"

#include <dirent.h>
#include <string.h>

#include "fs/base/cleanup.h"

/*
 * Pairs of directories that are yet to be compared stand on a stack: path,
 * NUL, the two numbers (0: there is none on that side).
 */

struct diff {
	struct index *x[2];
	diff_fn fn;
	void *ctx;
	struct strbuf stack;
	struct strbuf names[2];
};

static bool same_bytes(const void *a, size_t an, const void *b, size_t bn)
{
	return an == bn && memcmp(a, b, an) == 0;
}

static unsigned compare(const struct node *a, const struct node *b)
{
	unsigned what = 0;

	if ((a->mode ^ b->mode) & S_IFMT)
		return DIFF_TYPE;
	if (!same_bytes(a->target, a->target_len, b->target, b->target_len) ||
	    a->rdev_major != b->rdev_major || a->rdev_minor != b->rdev_minor ||
	    a->size != b->size ||
	    memcmp(&a->object.digest, &b->object.digest,
		   sizeof(a->object.digest)) != 0 ||
	    a->object.suffix != b->object.suffix)
		what |= DIFF_CONTENT;
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
	    a->mtime.tv_sec != b->mtime.tv_sec ||
	    a->mtime.tv_nsec != b->mtime.tv_nsec ||
	    (!S_ISDIR(a->mode) && a->nlink != b->nlink) ||
	    !same_bytes(a->xattrs, a->xattrs_len, b->xattrs, b->xattrs_len))
		what |= DIFF_METADATA;
	return what;
}

static int push(struct diff *d, const char *path, const uint64_t dirs[2])
{
	strbuf_add(&d->stack, path, strlen(path) + 1);
	return strbuf_add(&d->stack, dirs, 2 * sizeof(*dirs));
}

static bool pop(struct diff *d, struct strbuf *path, uint64_t dirs[2])
{
	const char *s = strbuf_get(&d->stack);
	size_t end = d->stack.len, at;

	if (!end)
		return false;
	end -= 2 * sizeof(*dirs);
	memcpy(dirs, s + end, 2 * sizeof(*dirs));
	/* what is before ends in a zero byte: no number is so large */
	for (at = end - 1; at > 0 && s[at - 1]; at--)
		;
	strbuf_clear(path);
	strbuf_puts(path, s + at);
	strbuf_truncate(&d->stack, at);
	return strbuf_error(path) == 0;
}

/* Names as they come, sorted: length, name, number. */
static int gather(void *ctx, const char *name, size_t len,
		  const struct node_dirent *e)
{
	struct strbuf *b = ctx;

	strbuf_putc(b, (char)len);
	strbuf_add(b, name, len);
	return strbuf_add(b, &e->ino, sizeof(e->ino));
}

struct cursor {
	const char *at, *end;
	const char *name;
	size_t len;
	uint64_t ino;
};

static bool next(struct cursor *c)
{
	if (c->at == c->end) {
		c->name = NULL;
		return false;
	}
	c->len = (unsigned char)*c->at;
	c->name = c->at + 1;
	memcpy(&c->ino, c->name + c->len, sizeof(c->ino));
	c->at = c->name + c->len + sizeof(c->ino);
	return true;
}

static int order(const struct cursor *a, const struct cursor *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int c;

	if (!a->name || !b->name)
		return a->name ? -1 : 1;
	c = memcmp(a->name, b->name, n);
	if (c)
		return c;
	return a->len < b->len ? -1 : a->len > b->len;
}

/* One path: its inodes on either side, 0 where there is none. */
static int put(struct diff *d, const char *path, const uint64_t ino[2])
{
	uint64_t dirs[2] = { 0, 0 };
	struct node n[2] = { 0 };
	unsigned what;
	int r;

	for (int i = 0; i < 2; i++) {
		r = ino[i] ? index_node(d->x[i], ino[i], &n[i]) : 0;
		if (r < 0)
			return r == -ENOENT ? -EUCLEAN : r;
		if (ino[i] && S_ISDIR(n[i].mode))
			dirs[i] = ino[i];
	}
	what = !ino[0]	 ? DIFF_ADDED
	       : !ino[1] ? DIFF_REMOVED
			 : compare(&n[0], &n[1]);
	r = what ? d->fn(d->ctx, path, what, ino[0] ? &n[0] : NULL,
			 ino[1] ? &n[1] : NULL)
		 : 0;
	if (r == 0 && (dirs[0] || dirs[1]))
		r = push(d, path, dirs);
	return r;
}

static int merge(struct diff *d, struct strbuf *path)
{
	struct cursor c[2] = { 0 };
	size_t len = path->len;
	int r = 0;

	for (int i = 0; i < 2; i++) {
		c[i].at = strbuf_get(&d->names[i]);
		c[i].end = c[i].at + d->names[i].len;
		next(&c[i]);
	}
	while (r == 0 && (c[0].name || c[1].name)) {
		int o = order(&c[0], &c[1]);
		const struct cursor *low = o <= 0 ? &c[0] : &c[1];
		const uint64_t ino[2] = { o <= 0 ? c[0].ino : 0,
					  o >= 0 ? c[1].ino : 0 };

		if (len > 1)
			strbuf_putc(path, '/');
		r = strbuf_add(path, low->name, low->len);
		if (r == 0)
			r = put(d, strbuf_get(path), ino);
		strbuf_truncate(path, len);
		if (o <= 0)
			next(&c[0]);
		if (o >= 0)
			next(&c[1]);
	}
	return r;
}

static int walk(struct diff *d)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	uint64_t dirs[2] = { NODE_ROOT, NODE_ROOT };
	int r = put(d, "/", dirs);

	while (r == 0 && pop(d, &path, dirs)) {
		for (int i = 0; i < 2 && r == 0; i++) {
			strbuf_clear(&d->names[i]);
			if (dirs[i])
				r = index_list(d->x[i], dirs[i], NULL, 0,
					       gather, &d->names[i]);
		}
		if (r == 0)
			r = merge(d, &path);
	}
	return r;
}

int diff_run(struct index *a, struct index *b, diff_fn fn, void *ctx)
{
	struct diff d = { .x = { a, b }, .fn = fn, .ctx = ctx };
	int r = walk(&d);

	strbuf_free(&d.stack);
	strbuf_free(&d.names[0]);
	strbuf_free(&d.names[1]);
	return r;
}
