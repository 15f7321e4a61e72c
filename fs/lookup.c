/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/lookup.h"

#include <limits.h>
#include <stdio.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/dirlayer.h"
#include "fs/lowerpath.h"
#include "fs/program.h"
#include "fs/xattrs.h"

/*
 * A name is searched from the top. In each layer it is there, is covered by a
 * whiteout (the search ends), or is not known. The first thing found shows; a
 * directory is merged with directories of the same name further down, until a
 * file, a whiteout or an opaque directory ends it. A redirect on a directory
 * changes where the search goes on: another name in the same place, or a path
 * from the layers' roots.
 */
struct search {
	struct overlay *o;
	const struct itable_view *dir;
	const char *name;
	char *redirect; /* absolute path, replaces dir and name; owned */
	char *rename;	/* another name; owned */
	bool stop;
	struct lookup *out;
};

static void search_end(struct search *s)
{
	free(s->redirect);
	free(s->rename);
}

void lookup_end(struct lookup *l)
{
	dirlayer_ref_close(&l->upper);
	for (unsigned i = 0; i < l->n_lower; i++)
		dirlayer_ref_close(&l->lower[i]);
	free(l->lower);
	*l = LOOKUP_NONE;
}

static int add_lower(struct lookup *l, const struct ref *r)
{
	struct ref *more =
		realloc(l->lower, (l->n_lower + 1) * sizeof(*l->lower));

	if (!more)
		return -ENOMEM;
	l->lower = more;
	l->lower[l->n_lower++] = *r;
	return 0;
}

/* Follow what a found directory says about the layers below it. */
static void apply_marks(struct search *s, struct layer_marks *m)
{
	if (m->opaque)
		s->stop = true;
	if (!m->redirect)
		return;
	if (m->redirect[0] == '/') {
		free(s->redirect);
		s->redirect = TAKE_PTR(m->redirect);
	} else if (!s->redirect) {
		free(s->rename);
		s->rename = TAKE_PTR(m->redirect);
	} else {
		lowerpath_replace_last(&s->redirect, m->redirect);
		free(TAKE_PTR(m->redirect));
	}
}

/* Upper. */

static int upper_record(struct search *s, bool *recorded)
{
	struct lookup *l = s->out;
	struct xattrs_record rec = { .ino = 0 };
	OVERLAY_DIR(d, s->o);
	int r;

	if (!(s->dir->flags & INODE_IMPURE))
		return 0;
	r = overlay_upper_dir(s->o, s->dir, &d.ent);
	if (r == 0)
		r = xattrs_record_getat(d.ent->fd, s->name, &rec);
	if (r <= 0)
		return r;
	l->flags |= INODE_RECORD;
	*recorded = rec.ino != 0;
	if (rec.ino)
		l->ino = rec.ino;
	l->link_delta = rec.link_delta;
	if (rec.metacopy)
		l->flags |= INODE_METACOPY;
	if (rec.indexed)
		l->flags |= INODE_INDEXED;
	return 0;
}

/*
 * A file of which a layer has only the metadata says where its data is in the
 * layers further down: by a redirect, or else by its name. What stands there
 * may be such a file again, with a redirect of its own.
 */
static int follow(struct overlay *o, const struct ref *meta,
		  struct layer_entry *out)
{
	struct layer *layer = overlay_layer(o, meta);
	char path[PATH_MAX];
	int r = layer->ops->redirect(layer, meta, path);

	if (r < 0)
		return r;
	if (path[0] == '/')
		return lookup_lower_file(o, path, meta->layer, out);
	return -ENODATA;
}

/*
 * The same name further down, if it is the file that was copied; which that
 * is only our own records know (ino 0: any file will do).
 */
static int data_by_name(struct search *s, const struct ref *meta,
			const char *name, uint64_t ino, struct layer_entry *out)
{
	for (unsigned i = 0; i < s->dir->n_lower; i++) {
		struct layer *layer;
		struct ref below;
		int r;

		itable_view_lower(s->dir, i, &below);
		if (below.layer <= meta->layer)
			continue;
		layer = overlay_layer(s->o, &below);
		r = layer->ops->lookup(layer, &below, name, out);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r == -ENODATA ? -ENOENT : r;
		if (S_ISREG(out->st.st_mode) && (!ino || out->ino == ino)) {
			struct ref again = out->ref;

			if (!out->metacopy)
				return 0;
			r = follow(s->o, &again, out);
			dirlayer_ref_close(&again);
			if (r != -ENODATA)
				return r;
			continue;
		}
		dirlayer_ref_close(&out->ref);
		return -ENOENT;
	}
	return -ENOENT;
}

/* The lower file whose data an inode with metadata only (`meta`) shows. */
static int find_data(struct search *s, const struct ref *meta, bool recorded)
{
	struct lookup *l = s->out;
	struct layer *layer = overlay_layer(s->o, meta);
	struct layer_entry e;
	char path[PATH_MAX];
	int r = -ENOENT, redirect = -ENODATA;

	if (recorded)
		r = data_by_name(s, meta, s->name, l->ino, &e);
	if (r == -ENOENT)
		redirect = layer->ops->redirect(layer, meta, path);
	if (redirect < 0 && redirect != -ENODATA && redirect != -EUCLEAN)
		return redirect;
	if (redirect == 0 && path[0] == '/')
		r = lookup_lower_file(s->o, path, meta->layer, &e);
	else if (redirect == 0 || (redirect == -ENODATA && !recorded))
		r = data_by_name(s, meta, redirect == 0 ? path : s->name, 0,
				 &e);
	if (r < 0 && r != -ENOENT && r != -ENODATA && r != -ESTALE &&
	    r != -ENOTDIR)
		return r;
	if (r < 0) {
		log_error("'%s': the lower file that holds its data is gone: "
			  "%s",
			  s->name, strerror(-r));
		return -EIO;
	}
	l->st.st_blocks = e.st.st_blocks;
	return add_lower(l, &e.ref);
}

static int found_upper(struct search *s, struct layer_entry *e)
{
	struct lookup *l = s->out;
	struct layer *layer = s->o->layers[REF_UPPER];
	struct layer_marks m = { .opaque = false };
	bool recorded = false;
	int r;

	l->upper = e->ref;
	l->st = e->st;
	l->ino = layer_ino(layer, e->st.st_ino);
	l->flags = INODE_UPPER;
	r = upper_record(s, &recorded);
	if (r < 0)
		return r;
	if (!S_ISDIR(e->st.st_mode)) {
		s->stop = true;
		return l->flags & INODE_METACOPY
			       ? find_data(s, &l->upper, recorded)
			       : 0;
	}
	r = layer->ops->marks(layer, &e->ref, &m);
	if (r < 0)
		return r;
	if (m.impure)
		l->flags |= INODE_IMPURE;
	if (m.redirect)
		l->flags |= INODE_REDIRECT;
	apply_marks(s, &m);
	return 0;
}

static int search_upper(struct search *s)
{
	struct layer *layer = s->o->layers[REF_UPPER];
	struct layer_entry e;
	int r;

	if (!(s->dir->flags & INODE_UPPER))
		return 0;
	r = layer->ops->lookup(layer, &s->dir->upper, s->name, &e);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : found_upper(s, &e);
}

/* Lowers. */

/* A lower file with several names may have been copied up by another. */
static int find_indexed(struct search *s, const struct layer_entry *low)
{
	struct layer *up = s->o->layers[REF_UPPER];
	struct lookup *l = s->out;
	char key[LOOKUP_INDEX_MAX];
	struct xattrs_record rec;
	struct stat st;
	int fd, r;

	if (!s->o->upper || low->st.st_nlink < 2)
		return 0;
	fd = upper_indexfd(s->o->upper);
	lookup_index_name(s->o, &low->ref, key);
	r = fdio_statat(fd, key, &st);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = xattrs_record_getat(fd, key, &rec);
	if (r <= 0)
		return r;
	r = dirlayer_ref_at(up, fd, key, st.st_ino, &l->upper);
	if (r < 0)
		return r;
	if (rec.metacopy)
		st.st_blocks = low->st.st_blocks;
	l->st = st;
	l->ino = rec.ino;
	l->link_delta = rec.link_delta;
	l->flags = INODE_UPPER | INODE_RECORD | INODE_INDEXED |
		   (rec.metacopy ? INODE_METACOPY : 0);
	return 1;
}

static void show_lower(struct lookup *l, const struct layer_entry *e)
{
	l->st = e->st;
	l->ino = e->ino;
}

/* A file that nothing above hides. */
static int found_file(struct search *s, struct layer_entry *e)
{
	struct lookup *l = s->out;
	int r = find_indexed(s, e);

	if (r == 0)
		show_lower(l, e);
	if (r < 0 || (r > 0 && !(l->flags & INODE_METACOPY))) {
		dirlayer_ref_close(&e->ref);
		return r < 0 ? r : 0;
	}
	r = add_lower(l, &e->ref);
	if (r == 0 && e->metacopy) {
		l->flags |= INODE_METACOPY;
		r = find_data(s, &e->ref, e->recorded);
	}
	return r;
}

static int found_lower(struct search *s, struct layer *layer,
		       struct layer_entry *e, bool more_below)
{
	struct lookup *l = s->out;
	struct layer_marks m = { .opaque = false };
	bool first = !(l->flags & INODE_UPPER) && l->n_lower == 0;
	int r;

	if (!S_ISDIR(e->st.st_mode)) {
		s->stop = true;
		if (first)
			return found_file(s, e);
		dirlayer_ref_close(&e->ref);
		return 0;
	}
	if (first)
		show_lower(l, e);
	r = add_lower(l, &e->ref);
	if (r == 0 && more_below) {
		r = layer->ops->marks(layer, &e->ref, &m);
		if (r == 0)
			apply_marks(s, &m);
	}
	return r;
}

/* One layer by path from its root, after an absolute redirect. */
static int search_path(struct search *s, unsigned index)
{
	struct layer *layer = s->o->layers[index];
	struct layer_entry e;
	struct lowerpath_below below = { .stop = false };
	int r = lowerpath_walk(layer, s->redirect, &e, &below);

	s->stop = s->stop || below.stop;
	if (below.path) {
		free(s->redirect);
		s->redirect = below.path;
	}
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r
		     : found_lower(s, layer, &e, index + 1 < s->o->n_layers);
}

static int search_name(struct search *s, const struct ref *below, bool more)
{
	struct layer *layer = overlay_layer(s->o, below);
	struct layer_entry e;
	int r = layer->ops->lookup(layer, below,
				   s->rename ? s->rename : s->name, &e);

	if (r == -ENODATA)
		s->stop = true;
	if (r == -ENOENT || r == -ENODATA || r == -ENOTDIR)
		return 0;
	return r < 0 ? r : found_lower(s, layer, &e, more);
}

static int search_lowers(struct search *s)
{
	unsigned next = 1; /* first layer that was not asked yet */
	int r = 0;

	for (unsigned i = 0; i < s->dir->n_lower && !s->stop && r == 0; i++) {
		struct ref below;

		if (s->redirect)
			break;
		itable_view_lower(s->dir, i, &below);
		/* A redirect may lead into layers that this directory is not in. */
		r = search_name(s, &below, below.layer + 1u < s->o->n_layers);
		next = below.layer + 1u;
	}
	if (s->redirect) {
		for (; next < s->o->n_layers && !s->stop && r == 0; next++)
			r = search_path(s, next);
	}
	return r;
}

/* The contract's functions. */

static int shape(struct overlay *o, struct lookup *l)
{
	struct attr_shape s = {
		.ino = l->ino,
		.flags = l->flags,
		.link_delta = l->link_delta,
		.n_lower = l->n_lower,
	};
	int r = attr_override(o, ref_is(&l->upper) ? &l->upper : &l->lower[0],
			      &l->st);

	if (r == 0)
		attr_shape(o, &s, &l->st);
	return r;
}

int lookup_name(struct overlay *o, const struct itable_view *dir,
		const char *name, struct lookup *out)
{
	_cleanup_(search_end) struct search s = {
		.o = o, .dir = dir, .name = name, .out = out
	};
	int r;

	r = search_upper(&s);
	if (r == -ENODATA)
		return -ENOENT;
	if (r == 0 && !s.stop)
		r = search_lowers(&s);
	if (r == 0 && !(out->flags & INODE_UPPER) && out->n_lower == 0)
		return -ENOENT;
	if (r == 0)
		r = shape(o, out);
	if (r < 0)
		lookup_end(out);
	return r;
}

int lookup_below(struct overlay *o, const struct itable_view *dir,
		 const char *name)
{
	for (unsigned i = 0; i < dir->n_lower; i++) {
		struct layer_entry e;
		struct layer *layer;
		struct ref below;
		int r;

		itable_view_lower(dir, i, &below);
		layer = overlay_layer(o, &below);
		r = layer->ops->lookup(layer, &below, name, &e);
		if (r == -ENODATA)
			return 0;
		if (r == 0)
			dirlayer_ref_close(&e.ref);
		if (r != -ENOENT)
			return r < 0 ? r : 1;
	}
	return 0;
}

int lookup_root(struct overlay *o, struct lookup *out)
{
	_cleanup_(search_end) struct search s = { .o = o, .out = out };
	int r = 0;

	for (unsigned i = o->upper ? 0 : 1; i < o->n_layers && r == 0; i++) {
		struct layer *layer = o->layers[i];
		struct layer_entry e;
		struct layer_marks m = { .opaque = false };

		if (s.stop)
			break;
		r = layer->ops->root(layer, &e);
		if (r < 0)
			break;
		if (i != REF_UPPER) {
			r = found_lower(&s, layer, &e, i + 1 < o->n_layers);
			continue;
		}
		out->upper = e.ref;
		out->st = e.st;
		out->ino = layer_ino(layer, e.st.st_ino);
		out->flags = INODE_UPPER;
		r = layer->ops->marks(layer, &e.ref, &m);
		if (m.impure)
			out->flags |= INODE_IMPURE;
		free(m.redirect);
		m.redirect = NULL;
		apply_marks(&s, &m);
	}
	if (r == 0)
		r = shape(o, out);
	if (r < 0)
		lookup_end(out);
	return r;
}

int lookup_intern(struct overlay *o, struct lookup *l, struct inode *parent,
		  const char *name, struct inode **out)
{
	struct itable_seed seed = {
		.ino = l->ino,
		.parent = parent ? itable_index(o->inodes, parent) : 0,
		.flags = l->flags,
		.type = l->st.st_mode & S_IFMT,
		.link_delta = l->link_delta,
		.upper = l->upper,
		.lower = l->lower,
		.n_lower = l->n_lower,
		.name = name,
		.moves = l->moves,
	};
	int r;

	if (parent && program_covers(o, parent, name))
		seed.flags |= INODE_PROGRAM;
	r = parent ? itable_intern(o->inodes, &seed, out)
		   : itable_set_root(o->inodes, &seed);
	free(l->lower);
	*l = LOOKUP_NONE;
	return r;
}

/*
 * Was upper asked by a view from before the first child with a record came?
 * Then its record was not read. The directory says so before the child is
 * there (upmark_impure()).
 */
static bool is_outdated(const struct overlay *o, const struct inode *parent,
			const struct itable_view *dir, const struct lookup *l)
{
	return (l->flags & INODE_UPPER) && !(dir->flags & INODE_IMPURE) &&
	       (itable_flags(o->inodes, parent) & INODE_IMPURE);
}

int lookup_inode(struct overlay *o, struct inode *parent, const char *name,
		 struct inode **out, struct stat *st)
{
	struct itable_view dir;
	LOOKUP(l);
	int r;

	do {
		l.moves = itable_moves(o->inodes);
		itable_view(o->inodes, parent, &dir);
		r = lookup_name(o, &dir, name, &l);
		if (r < 0)
			return r;
		if (is_outdated(o, parent, &dir, &l)) {
			lookup_end(&l);
			r = -EAGAIN;
			continue;
		}
		*st = l.st;
		r = lookup_intern(o, &l, parent, name, out);
	} while (r == -EAGAIN);
	return r;
}

static void below_end(struct lowerpath_below *b)
{
	free(b->path);
}

int lookup_lower_file(struct overlay *o, const char *path, unsigned above,
		      struct layer_entry *out)
{
	_cleanup_(below_end) struct lowerpath_below below = { .stop = false };
	char next[PATH_MAX];

	for (unsigned i = above + 1; i < o->n_layers && !below.stop; i++) {
		const char *here = below.path ? below.path : path;
		int r = lowerpath_walk(o->layers[i], here, out, &below);

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (S_ISREG(out->st.st_mode) && !out->metacopy)
			return 0;
		if (out->metacopy) {
			struct layer *l = o->layers[i];

			r = l->ops->redirect(l, &out->ref, next);
			if (r == 0 && next[0] == '/') {
				free(TAKE_PTR(below.path));
				path = next;
			}
			below.stop = false;
		} else {
			r = -ESTALE;
		}
		dirlayer_ref_close(&out->ref);
		if (r < 0 && r != -ENODATA)
			return r;
	}
	return -ENOENT;
}

const char *lookup_index_name(const struct overlay *o, const struct ref *lower,
			      char buf[LOOKUP_INDEX_MAX])
{
	int n = snprintf(buf, LOOKUP_INDEX_MAX, "%02x%04x",
			 overlay_layer(o, lower)->fsidx, lower->type);

	for (unsigned i = 0; i < lower->len; i++)
		n += snprintf(buf + n, (size_t)(LOOKUP_INDEX_MAX - n), "%02x",
			      lower->bytes[i]);
	return buf;
}
