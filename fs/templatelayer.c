/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/templatelayer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

#include "fs/base/cleanup.h"
#include "fs/dirlayer.h"
#include "fs/overlay.h"
#include "templates/catalog.h"
#include "templates/index.h"

/*
 * A ref is the inode's number in the index. There are no whiteouts and no
 * marks: a template is whole. Of the version all is known, so nothing changes
 * and nothing is locked; `index` is NULL between templatelayer_new() and
 * begin(), but for the look at the root in between.
 */
#define REF_TEMPLATE 0x7465u

struct templatelayer {
	struct layer pub;
	int dir;  /* the version's, holds it */
	int pool; /* objects/, read-only */
	struct index *index;
};

static struct templatelayer *tl(const struct layer *l)
{
	return (struct templatelayer *)l;
}

static uint64_t ino_of(const struct ref *r)
{
	uint64_t ino;

	memcpy(&ino, r->bytes, sizeof(ino));
	return ino;
}

static struct ref ref_of(const struct layer *l, uint64_t ino)
{
	struct ref r = { .layer = l->index, .type = REF_TEMPLATE, .fd = -1 };

	r.len = sizeof(ino);
	memcpy(r.bytes, &ino, sizeof(ino));
	return r;
}

static int node_of(struct layer *l, const struct ref *r, struct node *n)
{
	int err = index_node(tl(l)->index, ino_of(r), n);

	return err == -ENOENT ? -EUCLEAN : err;
}

static void stat_of(const struct node *n, uint64_t ino, struct stat *st)
{
	node_stat(n, ino, st);
	/* A device of the guest's own, no whiteout of ours. */
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
		st->st_rdev = OVERLAY_GUEST_WHITEOUT;
}

static void fill(struct layer *l, uint64_t ino, const struct node *n,
		 struct layer_entry *out)
{
	*out = (struct layer_entry){ .ref = ref_of(l, ino),
				     .ino = layer_ino(l, ino) };
	stat_of(n, ino, &out->st);
}

/* The contract's functions. */

static int root(struct layer *l, struct layer_entry *out)
{
	struct node n;
	int r = index_node(tl(l)->index, NODE_ROOT, &n);

	if (r == 0)
		fill(l, NODE_ROOT, &n, out);
	return r;
}

static int lookup(struct layer *l, const struct ref *dir, const char *name,
		  struct layer_entry *out)
{
	struct node n;
	uint64_t ino;
	int r = index_lookup(tl(l)->index, ino_of(dir), name, strlen(name),
			     &ino, &n);

	if (r == 0)
		fill(l, ino, &n, out);
	return r;
}

static int marks(_unused_ struct layer *l, _unused_ const struct ref *dir,
		 struct layer_marks *out)
{
	*out = (struct layer_marks){ .opaque = false };
	return 0;
}

struct listing {
	struct layer *l;
	layer_emit_fn emit;
	void *ctx;
};

static int list_one(void *ctx, const char *name, size_t len,
		    const struct node_dirent *d)
{
	const struct listing *li = ctx;
	char text[NODE_NAME_MAX + 1];

	memcpy(text, name, len);
	text[len] = '\0';
	return li->emit(li->ctx, text, layer_ino(li->l, d->ino), d->type);
}

static int list(struct layer *l, const struct ref *dir, layer_emit_fn emit,
		void *ctx)
{
	struct listing li = { .l = l, .emit = emit, .ctx = ctx };

	return index_list(tl(l)->index, ino_of(dir), NULL, 0, list_one, &li);
}

static int stat_ref(struct layer *l, const struct ref *r, struct stat *st)
{
	struct node n;
	int err = node_of(l, r, &n);

	if (err == 0)
		stat_of(&n, ino_of(r), st);
	return err;
}

static int redirect(_unused_ struct layer *l, _unused_ const struct ref *r,
		    _unused_ char *path)
{
	return -ENODATA;
}

static int open_ref(struct layer *l, const struct ref *r, int flags)
{
	struct object_pool pool = { .dir = tl(l)->pool, .staging = -1 };
	struct node n;
	int err = node_of(l, r, &n);

	if (err < 0)
		return err;
	if (!S_ISREG(n.mode))
		return -ENXIO;
	return object_open(&pool, &n.object, flags & ~O_NOFOLLOW);
}

static ssize_t read_link(struct layer *l, const struct ref *r, char *buf,
			 size_t size)
{
	struct node n;
	int err = node_of(l, r, &n);
	size_t len;

	if (err < 0)
		return err;
	if (!S_ISLNK(n.mode))
		return -EINVAL;
	len = n.target_len < size ? n.target_len : size;
	memcpy(buf, n.target, len);
	return (ssize_t)len;
}

/* All names, each with a NUL behind it. */
static ssize_t list_xattrs(const struct node *n, char *buf, size_t size)
{
	struct node_xattr x;
	size_t pos = 0, used = 0;
	int r;

	while ((r = node_xattr_next(n, &pos, &x)) > 0) {
		if (size > 0 && used + x.name_len + 1 > size)
			return -ERANGE;
		if (size > 0) {
			memcpy(buf + used, x.name, x.name_len);
			buf[used + x.name_len] = '\0';
		}
		used += x.name_len + 1;
	}
	return r < 0 ? r : (ssize_t)used;
}

static ssize_t get_xattr(struct layer *l, const struct ref *r, const char *name,
			 void *buf, size_t size)
{
	struct node_xattr x;
	struct node n;
	int err = node_of(l, r, &n);

	if (err < 0)
		return err;
	if (!name)
		return list_xattrs(&n, buf, size);
	err = node_xattr_get(&n, name, &x);
	if (err < 0)
		return err;
	if (size > 0 && x.value_len > size)
		return -ERANGE;
	if (size > 0)
		memcpy(buf, x.value, x.value_len);
	return (ssize_t)x.value_len;
}

static int root_fd(const struct layer *l)
{
	return tl(l)->pool;
}

static int begin(struct layer *l)
{
	int r = index_open(tl(l)->dir, 0, &tl(l)->index);

	if (r == 0)
		l->own_fd = index_fd(tl(l)->index);
	return r;
}

static void settle(struct layer *l)
{
	index_free(tl(l)->index);
	tl(l)->index = NULL;
	l->own_fd = -1;
}

static void layer_free(struct layer *l)
{
	if (!l)
		return;
	index_free(tl(l)->index);
	close(tl(l)->pool);
	close(tl(l)->dir);
	free(l);
}

static const struct layer_ops ops = {
	.root = root,
	.lookup = lookup,
	.marks = marks,
	.list = list,
	.stat = stat_ref,
	.redirect = redirect,
	.open = open_ref,
	.readlink = read_link,
	.xattr = get_xattr,
	.rootfd = root_fd,
	.begin = begin,
	.settle = settle,
	.free = layer_free,
};

/* Opening. */

/*
 * Both by mounts of their own, like any layer. The version is held by the
 * descriptor that stays, before the other one lets it go.
 */
static int open_both(struct catalog *c, const struct catalog_id *id, int fds[2],
		     struct why *why)
{
	_cleanup_close_ int held = catalog_hold(c, id, why);
	int r = held;

	if (r < 0)
		return r;
	r = fds[0] = dirlayer_private(held);
	if (r >= 0 && flock(fds[0], LOCK_SH | LOCK_NB) < 0)
		r = -errno;
	if (r < 0)
		return why_sys(why, r, "template %s:%s", id->name, id->version);
	r = fds[1] = dirlayer_private(catalog_pool(c).dir);
	return r < 0 ? why_sys(why, r, "the store's objects") : 0;
}

static int find(const struct templatelayer_config *cfg, int fds[2],
		struct why *why)
{
	struct catalog_version v;
	struct catalog_id id;
	struct catalog *c = NULL;
	int r = catalog_open(cfg->store, false, &c, why);

	fds[0] = fds[1] = -1;
	if (r == 0)
		r = catalog_parse(cfg->spec, &id, why);
	if (r == 0)
		r = catalog_find(c, &id, &v, why);
	if (r == 0)
		r = open_both(c, &v.id, fds, why);
	catalog_free(c);
	if (r < 0 && fds[0] >= 0)
		close(fds[0]);
	return r;
}

int templatelayer_new(struct layer **out,
		      const struct templatelayer_config *cfg, char *err,
		      size_t errlen)
{
	struct templatelayer *t = calloc(1, sizeof(*t));
	int fds[2] = { cfg->fds[0], cfg->fds[1] }, r = 0;
	struct why why = { "" };

	if (!t)
		return -ENOMEM;
	if (cfg->spec)
		r = find(cfg, fds, &why);
	if (r < 0) {
		snprintf(err, errlen, "template '%s': %s", cfg->spec,
			 why.text[0] ? why.text : strerror(-r));
		free(t);
		return r;
	}
	t->pub = (struct layer){ .ops = &ops,
				 .index = cfg->index,
				 .own_fd = -1 };
	t->dir = fds[0];
	t->pool = fds[1];
	r = begin(&t->pub);
	if (r < 0) {
		snprintf(err, errlen,
			 "template '%s': its index: %s (vefs template verify)",
			 cfg->spec ? cfg->spec : "", strerror(-r));
		layer_free(&t->pub);
		return r;
	}
	*out = &t->pub;
	return 0;
}

bool templatelayer_fds(const struct layer *l, int fds[2])
{
	if (l->ops != &ops)
		return false;
	fds[0] = tl(l)->dir;
	fds[1] = tl(l)->pool;
	return true;
}
