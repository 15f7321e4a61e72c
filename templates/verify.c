/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/verify.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/u64map.h"
#include "templates/index.h"

struct verify {
	struct object_pool pool;
	struct index *x;
	const struct verify_options *o;
	struct digest_state *digest;
	struct u64map names; /* of inodes with several: how many came */
	uint64_t dir, next, done;
	int bad;
};

static void tell(struct verify *v, const char *path, const char *what)
{
	if (v->o->bad)
		v->o->bad(v->o->ctx, path, what);
	v->bad++;
}

static void tell_of(struct verify *v, uint64_t ino, const char *what)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;

	strbuf_putc(&path, '/');
	if (index_path(v->x, ino, &path) < 0) {
		strbuf_clear(&path);
		strbuf_addf(&path, "inode %llu", (unsigned long long)ino);
	}
	tell(v, strbuf_get(&path), what);
}

/* ---- names: the order that freeze.c made --------------------------------- */

static void feed_name(struct verify *v, const char *name, size_t len,
		      uint64_t ino)
{
	uint64_t say[3] = { htole64(v->dir), htole64(ino), htole64(len) };

	digest_update(v->digest, say, sizeof(say));
	digest_update(v->digest, name, len);
}

static int check_name(void *ctx, const char *name, size_t len,
		      const struct node_dirent *d)
{
	struct verify *v = ctx;
	uint64_t *names;
	struct node n;
	int r = index_node(v->x, d->ino, &n);

	if (r < 0 || node_type(n.mode) != d->type) {
		tell_of(v, v->dir, "a name in it leads to no such inode");
		return 0;
	}
	feed_name(v, name, len, d->ino);
	if (d->ino == v->next) {
		node_digest(&n, v->digest);
		v->next++;
	}
	if (n.nlink < 2 || S_ISDIR(n.mode))
		return 0;
	names = u64map_at(&v->names, d->ino);
	if (!names)
		return -ENOMEM;
	++*names;
	return 0;
}

static int check_dir(void *ctx, uint64_t ino, const struct node *n)
{
	struct verify *v = ctx;

	if (!S_ISDIR(n->mode))
		return 0;
	v->dir = ino;
	return index_list(v->x, ino, NULL, 0, check_name, v);
}

static int check_names(struct verify *v)
{
	struct digest d;
	struct node root;
	int r = index_node(v->x, NODE_ROOT, &root);

	v->digest = digest_new();
	if (!v->digest)
		return -ENOMEM;
	if (r == 0) {
		node_digest(&root, v->digest);
		v->next = NODE_ROOT + 1;
		r = index_each(v->x, check_dir, v);
	}
	if (r == 0) {
		digest_final(v->digest, &d);
		if (memcmp(&d, &index_seal(v->x)->digest, sizeof(d)) != 0)
			tell(v, "", "its digest is not the seal's");
	}
	return r;
}

/* ---- inodes and objects -------------------------------------------------- */

static void check_links(struct verify *v, uint64_t ino, const struct node *n)
{
	const uint64_t *names;

	if (n->nlink < 2 || S_ISDIR(n->mode))
		return;
	names = u64map_find(&v->names, ino);
	if (!names || *names != n->nlink)
		tell_of(v, ino, "the number of its names is wrong");
}

static int object_is_there(const struct object_pool *p,
			   const struct object_id *id, uint64_t size)
{
	_cleanup_close_ int fd = object_open(p, id, O_PATH);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && (uint64_t)st.st_size == size ? 0
								   : -EUCLEAN;
}

static int check_node(void *ctx, uint64_t ino, const struct node *n)
{
	struct verify *v = ctx;
	char what[128];
	int r;

	check_links(v, ino, n);
	if (S_ISREG(n->mode)) {
		r = v->o->quick ? object_is_there(&v->pool, &n->object, n->size)
				: object_verify(&v->pool, &n->object, n->size);
		v->done += n->size;
		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			snprintf(what, sizeof(what), "its data: %s",
				 r == -EUCLEAN	? "damaged"
				 : r == -ENOENT ? "the object is missing"
						: strerror(-r));
			tell_of(v, ino, what);
		}
	}
	if (v->o->progress &&
	    v->o->progress(v->o->ctx, v->done, index_seal(v->x)->size))
		return -ECANCELED;
	return 0;
}

int verify_run(struct catalog *c, const struct catalog_id *id,
	       const struct verify_options *o, struct why *why)
{
	struct verify v = { .pool = catalog_pool(c), .o = o };
	_cleanup_close_ int dir = catalog_hold(c, id, why);
	int r;

	if (dir < 0)
		return dir;
	r = index_open(dir, INDEX_CHECK, &v.x);
	if (r == -EUCLEAN || r == -ENOENT) {
		tell(&v, "",
		     "its index or seal is damaged: remove it, and "
		     "import it anew");
		return v.bad;
	}
	if (r == 0)
		r = check_names(&v);
	if (r == 0)
		r = index_each(v.x, check_node, &v);
	if (r == -EUCLEAN) {
		tell(&v, "", "its index is damaged inside");
		r = 0;
	}
	if (v.digest)
		digest_free(v.digest);
	u64map_free(&v.names);
	index_free(v.x);
	if (r < 0)
		return why_sys(why, r, "verifying %s:%s", id->name,
			       id->version);
	return v.bad;
}
