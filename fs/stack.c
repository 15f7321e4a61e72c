/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/backing.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/dirlayer.h"
#include "fs/dirsnap.h"
#include "fs/gate.h"
#include "fs/hostlimit.h"
#include "fs/htable.h"
#include "fs/lookup.h"
#include "fs/quotafile.h"
#include "fs/templatelayer.h"
#include "fs/window.h"
#include "fs/workdir.h"
#include "fs/xattrs.h"

/* Open directories kept; a tree walk needs those on its path. */
#define STACK_FDS 256

static void on_gone(void *ctx, struct inode *i, int32_t backing)
{
	if (i)
		gate_gone(ctx, i);
	backing_gone(ctx, backing);
}

static int make_tables(struct overlay *o, const struct state *from)
{
	o->inodes = itable_new(from ? from->inodes : NULL);
	o->handles = htable_new(from ? from->handles : -1);
	o->fds = fdcache_new(STACK_FDS);
	o->backing = backing_new();
	o->listings = dirsnap_cache_new();
	if (!o->inodes || !o->handles || !o->fds || !o->backing || !o->listings)
		return -ENOMEM;
	itable_on_gone(o->inodes, on_gone, o);
	return 0;
}

static int open_upper(struct overlay *o, const struct state *from, char *err,
		      size_t errlen)
{
	const struct options *opts = o->opts;
	struct workdir w;
	int r = 0;

	if (!opts->upper || opts->readonly)
		return 0;
	if (from)
		w = (struct workdir){ from->dirs[0], from->dirs[1],
				      from->dirs[2], from->dirs[3],
				      from->dirs[4] };
	else
		r = workdir_open(&w, opts->upper, opts->work, err, errlen);
	if (r == 0)
		r = upper_new(&o->upper, &w, opts->fsync, o->fds, err, errlen);
	if (r == 0)
		o->layers[REF_UPPER] = upper_layer(o->upper);
	return r;
}

/* Where the host cannot keep the limit now, the gate does: the limit holds. */
static void open_hostlimit(struct overlay *o, int folder)
{
	char why[256];

	if (o->opts->quota_host &&
	    hostlimit_new(&o->hostlimit, o, folder, why, sizeof(why)) < 0)
		log_warn("quota-enforce=host: the filesystem of '%s' cannot: "
			 "%s; the daemon keeps the limit, writing is slower",
			 o->opts->upper, why);
}

/* The ledger, from its file or from the one who kept it before. */
static int open_quota(struct overlay *o, const struct state *from, char *err,
		      size_t errlen)
{
	struct ledger *l;
	int r;

	if (!o->opts->quota || !o->upper)
		return 0;
	if (!from) {
		r = quotafile_start(o, err, errlen);
	} else {
		l = ledger_new(from->quota, NULL);
		r = l ? gate_new(&o->gate, l, upper_workfd(o->upper)) : -ENOMEM;
	}
	if (r == 0)
		open_hostlimit(o, from ? from->quota_dir : o->quota_dir);
	return r;
}

/* Without it everything is exact, only slower. */
static int open_window(struct overlay *o, const struct state *from)
{
	struct window_config cfg = { .upper = o->opts->upper,
				     .size = o->opts->quota_window,
				     .fds = { -1, -1 } };
	char why[128];
	int r;

	if (!o->gate || !cfg.size || (from && from->window[0] < 0))
		return 0;
	if (from) {
		cfg.fds[0] = from->window[0];
		cfg.fds[1] = from->window[1];
	}
	cfg.upperfd = dirlayer_rootfd(o->layers[REF_UPPER]);
	r = window_new(&o->window, &cfg, why, sizeof(why));
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		log_warn("quota-window: cannot watch '%s': %s; files of owners "
			 "with limits are written through the daemon",
			 cfg.upper, why);
	return 0;
}

static int too_many(const struct overlay *o, char *err, size_t errlen)
{
	if (o->n_layers < OVERLAY_LAYERS)
		return 0;
	snprintf(err, errlen, "more than %d lower directories and templates",
		 OVERLAY_LAYERS - 1);
	return -E2BIG;
}

static int add_lower(struct overlay *o, const char *path,
		     const struct state *from, char *err, size_t errlen)
{
	struct dirlayer_config cfg = { .path = from ? NULL : path,
				       .index = (uint8_t)o->n_layers,
				       .fds = o->fds };
	int r = too_many(o, err, errlen);

	if (r < 0)
		return r;
	if (from)
		cfg.rootfd = from->lowers[o->n_layers];
	r = dirlayer_new(&o->layers[o->n_layers], &cfg, err, errlen);
	if (r == 0)
		o->n_layers++;
	return r;
}

static int add_template(struct overlay *o, const char *spec,
			const struct state *from, char *err, size_t errlen)
{
	struct templatelayer_config cfg = { .store = options_store(o->opts),
					    .spec = from ? NULL : spec,
					    .index = (uint8_t)o->n_layers };
	int r = too_many(o, err, errlen);

	if (r < 0)
		return r;
	if (from) {
		cfg.fds[0] = from->lowers[o->n_layers];
		cfg.fds[1] = from->pools[o->n_layers];
	}
	r = templatelayer_new(&o->layers[o->n_layers], &cfg, err, errlen);
	if (r == 0)
		o->n_layers++;
	return r;
}

/* An upper that is mounted read-only is the topmost lower. */
static int open_lowers(struct overlay *o, const struct state *from, char *err,
		       size_t errlen)
{
	const struct options *opts = o->opts;
	int r = 0;

	o->n_layers = 1;
	if (opts->upper && opts->readonly)
		r = add_lower(o, opts->upper, from, err, errlen);
	for (size_t i = 0; i < opts->n_lower && r == 0; i++)
		r = add_lower(o, opts->lower[i], from, err, errlen);
	if (r == 0 && o->n_layers > 1 && opts->n_template == 0)
		dirlayer_set_bottom(o->layers[o->n_layers - 1]);
	for (size_t i = 0; i < opts->n_template && r == 0; i++)
		r = add_template(o, opts->template[i], from, err, errlen);
	return r;
}

/*
 * Which filesystem each layer is on, counted from the bottom, so that adding
 * a layer on top changes no inode number below.
 */
static int number_filesystems(struct overlay *o)
{
	dev_t devs[OVERLAY_LAYERS];
	unsigned n = 0;

	for (unsigned i = o->n_layers; i-- > 0;) {
		struct stat st;
		unsigned k = 0;
		int r;

		if (!o->layers[i])
			continue;
		r = fdio_stat(o->layers[i]->ops->rootfd(o->layers[i]), &st);
		if (r < 0)
			return r;
		/* Numbers of its own, not those of the filesystem it is on. */
		if (o->layers[i]->ops->xattr)
			st.st_dev = ~(dev_t)i;
		while (k < n && devs[k] != st.st_dev)
			k++;
		if (k == n)
			devs[n++] = st.st_dev;
		o->layers[i]->fsidx = (uint8_t)k;
	}
	return 0;
}

static int make_root(struct overlay *o)
{
	struct inode *unused;
	LOOKUP(l);
	int r = lookup_root(o, &l);

	return r < 0 ? r : lookup_intern(o, &l, NULL, "", &unused);
}

static int assemble(struct overlay **out, const struct options *opts,
		    const struct state *from, char *err, size_t errlen)
{
	struct overlay *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->opts = opts;
	o->ids = (struct ids){ &opts->uids, &opts->gids, opts->squash_uid,
			       opts->squash_gid };
	err[0] = '\0';
	xattrs_use_user(from ? from->userxattr : opts->userxattr);
	r = make_tables(o, from);
	if (r == 0)
		r = open_upper(o, from, err, errlen);
	if (r == 0)
		r = open_quota(o, from, err, errlen);
	if (r == 0)
		r = open_window(o, from);
	if (r == 0)
		r = open_lowers(o, from, err, errlen);
	if (r == 0)
		r = number_filesystems(o);
	if (r == 0 && !from)
		r = make_root(o);
	if (r < 0) {
		if (!err[0])
			snprintf(err, errlen, "cannot set the overlay up: %s",
				 strerror(-r));
		stack_free(o);
		return r;
	}
	*out = o;
	return 0;
}

int stack_new(struct overlay **out, const struct options *opts, char *err,
	      size_t errlen)
{
	return assemble(out, opts, NULL, err, errlen);
}

int stack_resume(struct overlay **out, const struct options *opts,
		 const struct state *s, char *err, size_t errlen)
{
	return assemble(out, opts, s, err, errlen);
}

void stack_save(const struct overlay *o, struct state *s)
{
	itable_memfds(o->inodes, s->inodes);
	s->handles = htable_fd(o->handles);
	s->userxattr = xattrs_uses_user();
	s->n_layers = o->n_layers;
	for (unsigned i = 1; i < o->n_layers; i++) {
		int fds[2] = { dirlayer_rootfd(o->layers[i]), -1 };

		templatelayer_fds(o->layers[i], fds);
		s->lowers[i] = fds[0];
		s->pools[i] = fds[1];
	}
	if (o->upper)
		upper_fds(o->upper, s->dirs);
	if (o->gate) {
		s->quota = ledger_fd(gate_ledger(o->gate));
		s->quota_dir = o->quota_dir;
		s->quota_lock = o->quota_lock;
		s->quota_scan = o->quota_scan;
		window_fds(o->window, s->window);
	}
}

void stack_settle(struct overlay *o)
{
	fdcache_clear(o->fds);
	if (o->gate)
		ledger_relax(gate_ledger(o->gate));
	for (unsigned i = 1; i < o->n_layers; i++) {
		if (o->layers[i]->ops->settle)
			o->layers[i]->ops->settle(o->layers[i]);
	}
}

int stack_begin(struct overlay *o)
{
	int r = o->gate ? gate_begin(o->gate) : 0;

	hostlimit_begin(o);
	for (unsigned i = 1; i < o->n_layers && r == 0; i++) {
		if (o->layers[i]->ops->begin)
			r = o->layers[i]->ops->begin(o->layers[i]);
	}
	return r;
}

void stack_free(struct overlay *o)
{
	if (!o)
		return;
	dirsnap_cache_free(o->listings);
	htable_free(o->handles);
	itable_free(o->inodes);
	fdcache_free(o->fds);
	for (unsigned i = 0; i < OVERLAY_LAYERS; i++) {
		if (o->layers[i])
			o->layers[i]->ops->free(o->layers[i]);
	}
	window_free(o->window);
	upper_free(o->upper);
	hostlimit_free(o->hostlimit);
	gate_free(o->gate);
	backing_free(o->backing);
	free(o);
}
