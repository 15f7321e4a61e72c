/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/dirsnap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/queue.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/dirlayer.h"
#include "fs/dirmerge.h"
#include "fs/xattrs.h"

/*
 * The cache holds readings that may go on: a snapshot (shared by all who read
 * the directory) or a stream (one reader's open directory with what it has
 * read ahead). A reading is in the list while nobody uses it; taking it out
 * makes it the taker's own. What changes the directory drops its readings, or
 * has them dropped when they come back (`stale`): without open directories
 * nobody knows who began when, and a listing that begins now must be of now.
 */
#define KEEP 16u
#define STREAM_BYTES 32768u

struct reading {
	TAILQ_ENTRY(reading) entry;
	uint64_t nodeid;
	bool stale;
	struct dirmerge *merged; /* or, for a stream: */
	int fd;
	uint64_t next;	   /* cookie of the first entry at `pos` */
	unsigned pos, len; /* in `buf` */
	char buf[];
};

TAILQ_HEAD(readings, reading);

struct dirsnap_cache {
	pthread_mutex_t lock;
	struct readings idle; /* most recently used first */
	struct readings busy;
	unsigned n_idle;
};

/* As the kernel writes them: getdents64(2). */
struct raw_dirent {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static void reading_free(struct reading *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	dirmerge_free(r->merged);
	free(r);
}

struct dirsnap_cache *dirsnap_cache_new(void)
{
	struct dirsnap_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->idle);
	TAILQ_INIT(&c->busy);
	return c;
}

void dirsnap_cache_free(struct dirsnap_cache *c)
{
	struct reading *r;

	if (!c)
		return;
	while ((r = TAILQ_FIRST(&c->idle)) != NULL) {
		TAILQ_REMOVE(&c->idle, r, entry);
		reading_free(r);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* A reading of `nodeid` that can go on at `cookie`; it becomes busy. */
static struct reading *take(struct dirsnap_cache *c, uint64_t nodeid,
			    uint64_t cookie)
{
	struct reading *r;

	pthread_mutex_lock(&c->lock);
	TAILQ_FOREACH(r, &c->idle, entry)
	{
		if (r->nodeid == nodeid &&
		    (r->merged || (r->next == cookie && cookie)))
			break;
	}
	if (r) {
		TAILQ_REMOVE(&c->idle, r, entry);
		c->n_idle--;
		TAILQ_INSERT_HEAD(&c->busy, r, entry);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

static void make_busy(struct dirsnap_cache *c, struct reading *r)
{
	pthread_mutex_lock(&c->lock);
	TAILQ_INSERT_HEAD(&c->busy, r, entry);
	pthread_mutex_unlock(&c->lock);
}

static void give_back(struct dirsnap_cache *c, struct reading *r, bool over)
{
	struct reading *gone = NULL;

	pthread_mutex_lock(&c->lock);
	TAILQ_REMOVE(&c->busy, r, entry);
	if (over || r->stale) {
		gone = r;
	} else {
		TAILQ_INSERT_HEAD(&c->idle, r, entry);
		if (++c->n_idle > KEEP) {
			gone = TAILQ_LAST(&c->idle, readings);
			TAILQ_REMOVE(&c->idle, gone, entry);
			c->n_idle--;
		}
	}
	pthread_mutex_unlock(&c->lock);
	reading_free(gone);
}

void dirsnap_changed(struct overlay *o, struct inode *dir)
{
	struct dirsnap_cache *c = o->listings;
	uint64_t nodeid = itable_nodeid(o->inodes, dir);
	struct readings gone = TAILQ_HEAD_INITIALIZER(gone);
	struct reading *r, *next;

	pthread_mutex_lock(&c->lock);
	TAILQ_FOREACH(r, &c->busy, entry)
	{
		if (r->nodeid == nodeid)
			r->stale = true;
	}
	for (r = TAILQ_FIRST(&c->idle); r; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->nodeid != nodeid)
			continue;
		TAILQ_REMOVE(&c->idle, r, entry);
		c->n_idle--;
		TAILQ_INSERT_HEAD(&gone, r, entry);
	}
	pthread_mutex_unlock(&c->lock);
	while ((r = TAILQ_FIRST(&gone)) != NULL) {
		TAILQ_REMOVE(&gone, r, entry);
		reading_free(r);
	}
}

static struct reading *reading_new(uint64_t nodeid, size_t bytes)
{
	struct reading *r = calloc(1, sizeof(*r) + bytes);

	if (r) {
		r->nodeid = nodeid;
		r->fd = -1;
	}
	return r;
}

/* The number that a name shows, where upper's own is not it. */
static int true_ino(int fd, const char *name, uint64_t *ino)
{
	struct xattrs_record rec;
	int r = xattrs_record_getat(fd, name, &rec);

	if (r == 1 && rec.ino)
		*ino = rec.ino;
	return r < 0 && r != -ENOENT ? r : 0;
}

struct caller {
	struct overlay *o;
	const struct itable_view *v;
	bool exact_ino, told;
	dirsnap_emit_fn emit;
	void *ctx;
};

static int tell(struct caller *c, const struct dirsnap_entry *e)
{
	int r = c->emit(c->ctx, e);

	c->told |= r == 0;
	return r;
}

static uint64_t dot_ino(struct caller *c, bool dotdot)
{
	struct itable_view up;
	OVERLAY_PIN(p, c->o);

	if (!dotdot || !c->v->parent)
		return c->v->ino;
	p.inode = itable_get_index(c->o->inodes, c->v->parent);
	if (!p.inode)
		return c->v->ino;
	itable_view(c->o->inodes, p.inode, &up);
	return up.ino;
}

/* Streams. */

static int stream_open(struct caller *c, uint64_t cookie, struct reading **out)
{
	struct layer *l = c->o->layers[REF_UPPER];
	struct reading *r = reading_new(c->v->nodeid, STREAM_BYTES);

	if (!r)
		return -ENOMEM;
	r->fd = c->v->pin >= 0
			? fdio_reopen(c->v->pin, O_RDONLY | O_DIRECTORY)
			: l->ops->open(l, &c->v->upper, O_RDONLY | O_DIRECTORY);
	r->next = cookie;
	if (r->fd < 0 ||
	    (cookie && lseek(r->fd, (off_t)cookie, SEEK_SET) < 0)) {
		int err = r->fd < 0 ? r->fd : -errno;

		reading_free(r);
		return err;
	}
	*out = r;
	return 0;
}

/* The kind of an entry as the guest sees it: 1; 0: it sees none; -errno. */
static int stream_shows(struct reading *r, const struct raw_dirent *de,
			unsigned *type)
{
	struct stat st;
	int err;

	*type = de->type;
	if (de->type != DT_CHR && de->type != DT_UNKNOWN)
		return 1;
	err = fdio_statat(r->fd, de->name, &st);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	*type = IFTODT(st.st_mode);
	return !dirlayer_is_whiteout(&st);
}

static int stream_emit(struct caller *c, struct reading *r,
		       const struct raw_dirent *de)
{
	struct dirsnap_entry e = { .name = de->name,
				   .ino = layer_ino(c->o->layers[REF_UPPER],
						    de->ino),
				   .cookie = (uint64_t)de->off };

	int err = stream_shows(r, de, &e.type);

	if (err <= 0)
		return err;
	if (de->name[0] == '.' && !de->name[1])
		e.ino = dot_ino(c, false);
	else if (de->name[0] == '.' && de->name[1] == '.' && !de->name[2])
		e.ino = dot_ino(c, true);
	else if (c->exact_ino && (c->v->flags & INODE_IMPURE))
		err = true_ino(r->fd, de->name, &e.ino);
	return err < 0 ? err : tell(c, &e);
}

/* 1: at the end. */
static int stream_read(struct caller *c, struct reading *r)
{
	for (;;) {
		if (r->pos == r->len) {
			long n = syscall(SYS_getdents64, r->fd, r->buf,
					 STREAM_BYTES);

			if (n <= 0)
				return n < 0 ? -errno : 1;
			r->len = (unsigned)n;
			r->pos = 0;
		}
		while (r->pos < r->len) {
			const struct raw_dirent *de =
				(const void *)(r->buf + r->pos);
			int err = stream_emit(c, r, de);

			if (err != 0)
				return err < 0 ? err : 0;
			r->pos += de->len;
			r->next = (uint64_t)de->off;
		}
	}
}

/* Snapshots. */

static int snapshot_open(struct caller *c, struct reading **out)
{
	struct reading *r = reading_new(c->v->nodeid, 0);
	int err;

	if (!r)
		return -ENOMEM;
	err = dirmerge_new(&r->merged, c->o, c->v);
	if (err < 0) {
		reading_free(r);
		return err;
	}
	*out = r;
	return 0;
}

static int snapshot_read(struct caller *c, struct reading *r, uint64_t cookie)
{
	bool fix = c->exact_ino && (c->v->flags & INODE_IMPURE);
	struct dirmerge_entry m;
	OVERLAY_DIR(d, c->o);

	int err = fix ? overlay_upper_dir(c->o, c->v, &d.ent) : 0;

	if (err < 0)
		return err;
	for (; cookie < 2; cookie++) {
		struct dirsnap_entry e = {
			.name = cookie ? ".." : ".",
			.ino = dot_ino(c, cookie == 1),
			.type = DT_DIR,
			.cookie = cookie + 1,
		};

		if (tell(c, &e) != 0)
			return 0;
	}
	for (size_t i = dirmerge_seek(r->merged, cookie);
	     dirmerge_get(r->merged, i, &m); i++) {
		struct dirsnap_entry e = { .name = m.name,
					   .ino = m.ino,
					   .type = m.type,
					   .cookie = m.cookie + 1 };

		if (fix && m.upper)
			err = true_ino(d.ent->fd, m.name, &e.ino);
		if (err == 0)
			err = tell(c, &e);
		if (err != 0)
			return err < 0 ? err : 0;
	}
	return 1;
}

/*
 * At its end, who was told something asks once more, to hear of the end. A
 * stream is soon opened for that, a snapshot would have to be made again.
 */
static bool is_awaited(const struct caller *c, const struct reading *r)
{
	return r->merged && c->told;
}

int dirsnap_read(struct overlay *o, struct inode *dir, uint64_t cookie,
		 bool exact_ino, dirsnap_emit_fn emit, void *ctx)
{
	struct itable_view v;
	struct caller c = { .o = o,
			    .v = &v,
			    .exact_ino = exact_ino,
			    .emit = emit,
			    .ctx = ctx };
	struct reading *r;
	bool stream;
	int err = 0;

	itable_view(o->inodes, dir, &v);
	stream = v.n_lower == 0;
	r = take(o->listings, v.nodeid, cookie);
	if (!r) {
		err = stream ? stream_open(&c, cookie, &r)
			     : snapshot_open(&c, &r);
		if (err < 0)
			return err;
		make_busy(o->listings, r);
	}
	err = r->merged ? snapshot_read(&c, r, cookie) : stream_read(&c, r);
	give_back(o->listings, r, err < 0 || (err > 0 && !is_awaited(&c, r)));
	return err < 0 ? err : 0;
}

void dirsnap_ino(struct overlay *o, struct inode *dir, const char *name,
		 uint64_t *ino)
{
	struct itable_view v;
	OVERLAY_DIR(d, o);

	itable_view(o->inodes, dir, &v);
	if ((v.flags & INODE_UPPER) && (v.flags & INODE_IMPURE) && v.pin < 0 &&
	    overlay_upper_dir(o, &v, &d.ent) == 0)
		true_ino(d.ent->fd, name, ino);
}

/* Emptiness. */

static int not_empty(void *ctx, const char *name, uint64_t ino, unsigned type)
{
	(void)ctx;
	(void)name;
	(void)ino;
	return type == LAYER_DT_WHITEOUT ? 0 : 1;
}

int dirsnap_is_empty(struct overlay *o, const struct itable_view *dir)
{
	struct dirmerge *m;
	struct dirmerge_entry e;
	int r;

	if (dir->n_lower == 0) {
		struct layer *l = o->layers[REF_UPPER];

		r = l->ops->list(l, &dir->upper, not_empty, NULL);
		return r < 0 ? r : !r;
	}
	r = dirmerge_new(&m, o, dir);
	if (r < 0)
		return r;
	r = !dirmerge_get(m, 0, &e);
	dirmerge_free(m);
	return r;
}
