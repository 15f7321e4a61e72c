/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/quotafile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fs/attr.h"
#include "fs/base/array.h"
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/fdio.h"
#include "fs/base/flockwait.h"
#include "fs/base/lock.h"
#include "fs/base/log.h"
#include "fs/base/u64map.h"
#include "fs/gate.h"
#include "fs/override.h"

static const char *name_of(const struct options *opts)
{
	const char *slash = strrchr(opts->quota, '/');

	return slash ? slash + 1 : opts->quota;
}

static const char *id_of(const struct options *opts)
{
	return opts->quota_id ? opts->quota_id : "";
}

static int open_folder(const struct options *opts)
{
	const char *name = name_of(opts);
	_cleanup_free_ char *folder =
		strndup(opts->quota, (size_t)(name - opts->quota));

	if (!folder)
		return -ENOMEM;
	return fdio_open_apart(folder[0] ? folder : ".");
}

/* Counting. */

/*
 * What is being written by passthrough nobody can stop, nor the kernel, which
 * finds the blocks of what was written lately (late.h): the scan leaves these
 * inodes out, and takes what they are charged with. To have them written back
 * first would make everybody wait for the disk, and for whoever keeps it busy.
 */
struct counting {
	struct overlay *o;
	bool ripen;	    /* nobody is served yet */
	struct u64map skip; /* inode numbers on disk */
	struct charge *instead;
	size_t n, room;
	int err;
};

static void counting_end(struct counting *c)
{
	u64map_free(&c->skip);
	free(c->instead);
}

static int owner_of(void *ctx, int dirfd, const char *name, struct stat *st)
{
	const struct counting *c = ctx;
	_cleanup_close_ int fd = -1;

	if (c->skip.used > 0 && u64map_find(&c->skip, st->st_ino))
		return -ENOENT;
	if (!c->o->opts->xattr_permissions)
		return 0;
	fd = fdio_openat(dirfd, name, O_PATH, 0);
	return fd < 0 ? fd : override_read(fd, st);
}

static int count(struct counting *c, struct scan_result **out)
{
	int fds[WORKDIR_FDS], roots[2];
	struct scan_config cfg = {
		.roots = roots, .n_roots = 2, .ctx = c, .ripen = c->ripen
	};
	int r;

	upper_fds(c->o->upper, fds);
	roots[0] = fds[0];
	roots[1] = upper_indexfd(c->o->upper);
	if (c->o->opts->xattr_permissions || c->skip.used > 0)
		cfg.owner = owner_of;
	r = scan_run(out, &cfg);
	for (size_t i = 0; r == 0 && i < c->n; i++)
		r = scan_add(*out, c->instead[i].owner, c->instead[i].space);
	return r;
}

static int leave_out(struct counting *c, uint64_t ino, const struct charge *now)
{
	uint64_t *at = u64map_at(&c->skip, ino);

	if (!at || ARRAY_FIT(c->instead, c->room, c->n + 1) < 0)
		return -ENOMEM;
	if (*at)
		return 0;
	*at = 1;
	c->instead[c->n++] = *now;
	return 0;
}

/* Look at what has changed on its own since it was last counted. */
static void look_again(void *ctx, uint32_t row)
{
	struct counting *c = ctx;
	struct overlay *o = c->o;
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	struct charge now;
	OVERLAY_PIN(p, o);
	struct stat st;
	bool moving;

	p.inode = itable_get_index(o->inodes, row);
	if (!p.inode)
		return;
	itable_view(o->inodes, p.inode, &v);
	/* Of one whose identity another has that one counts. */
	if (!(v.flags & INODE_UPPER) || (v.flags & INODE_SPLIT))
		return;
	fd = attr_open_meta(o, &v, O_PATH);
	if (fd < 0)
		return;
	gate_settle(o, p.inode, fd);
	lock_acquire(&p.inode->lock);
	moving = p.inode->n_pass > 0 || atomic_load(&p.inode->late) > 0;
	lock_release(&p.inode->lock);
	if (moving && !(v.flags & INODE_UNLINKED) && S_ISREG(v.type) &&
	    fdio_stat(fd, &st) == 0 &&
	    charge_row(gate_ledger(o->gate), row, &now) && c->err == 0)
		c->err = leave_out(c, st.st_ino, &now);
}

/* Open, but without a name: the scan does not see it. */
static void add_doomed(void *ctx, const struct charge *c)
{
	scan_add(ctx, c->owner, c->space);
}

/* The end. */

struct resting {
	struct overlay *o;
	unsigned how; /* of sync_file_range(2); 0: nothing is written back */
	bool last, late;
};

static void rest_one(void *ctx, uint32_t row)
{
	struct resting *r = ctx;
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	OVERLAY_PIN(p, r->o);
	bool late;

	p.inode = itable_get_index(r->o->inodes, row);
	if (!p.inode)
		return;
	itable_view(r->o->inodes, p.inode, &v);
	if (!(v.flags & INODE_UPPER) ||
	    (v.flags & (INODE_UNLINKED | INODE_SPLIT)))
		return;
	late = S_ISREG(v.type) && atomic_load(&p.inode->late) > 0;
	r->late |= late;
	if (!late && !r->last)
		return;
	fd = attr_open_meta(r->o, &v,
			    late && r->how ? O_RDONLY | O_NONBLOCK : O_PATH);
	if (fd < 0)
		return;
	if (late && r->how && sync_file_range(fd, 0, 0, r->how) < 0)
		log_warn("quota: %s", strerror(errno));
	if (r->last)
		gate_settle(r->o, p.inode, fd);
}

/*
 * All that was done is on disk, without what others have changed there where
 * that can be: it may be much, and who writes it as slow as we are.
 */
static int make_safe(struct overlay *o)
{
	int work = upper_workfd(o->upper);
	_cleanup_close_ int fd = -1;

	if (gate_fs(o->gate)->journal)
		fd = openat(work, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 && fsync(fd) == 0)
		return 0;
	return syncfs(work) < 0 ? -errno : 0;
}

bool quotafile_rest(struct overlay *o)
{
	struct ledger *l = gate_ledger(o->gate);
	struct resting all = { .o = o };
	int r;

	if (o->opts->fsync == OPTIONS_FSYNC_NONE) {
		all.last = true;
		charge_each_row(l, rest_one, &all);
		return !all.late;
	}
	/* All of it is on its way before the first is waited for. */
	all.how = SYNC_FILE_RANGE_WRITE;
	charge_each_row(l, rest_one, &all);
	all.how = SYNC_FILE_RANGE_WRITE_AND_WAIT;
	all.last = true;
	charge_each_row(l, rest_one, &all);
	r = make_safe(o);
	if (r < 0)
		log_warn("quota: %s", strerror(-r));
	return r == 0;
}

int64_t quotafile_check(struct overlay *o, bool fix,
			void (*fn)(void *ctx, const struct scan_drift *d),
			void *ctx)
{
	_cleanup_(counting_end) struct counting c = { .o = o };
	struct ledger *l = gate_ledger(o->gate);
	struct scan_result *found = NULL;
	int64_t n = 0;
	int r;

	gate_stop(o->gate);
	charge_each_row(l, look_again, &c);
	r = c.err < 0 ? c.err : count(&c, &found);
	/* A file without a name ends whenever the kernel says so. */
	lock_acquire(gate_ends(o->gate));
	if (r == 0) {
		charge_each_doomed(l, add_doomed, found);
		n = (int64_t)(scan_inodes(found) + c.n);
		scan_compare(found, l, fn, ctx);
		if (fix)
			r = scan_apply(found, l);
	}
	lock_release(gate_ends(o->gate));
	gate_go_on(o->gate);
	scan_free(found);
	return r < 0 ? r : n;
}

/* The file. */

/* What need not outlive the host's run is not synced. */
static int open_db(const struct options *opts, int dir, struct quotadb **out,
		   char *why, size_t len)
{
	if (opts->fsync == OPTIONS_FSYNC_NONE)
		return quotadb_open_passing(out, dir, name_of(opts),
					    id_of(opts), why, len);
	return quotadb_open(out, dir, name_of(opts), id_of(opts), why, len);
}

/* What is there may be something that nobody meant. */
static int check_file(const struct options *opts, int dir, char *err,
		      size_t errlen)
{
	struct stat st;
	int r = fdio_statat(dir, name_of(opts), &st);

	if (name_of(opts)[0] &&
	    (r == -ENOENT || (r == 0 && S_ISREG(st.st_mode))))
		return 0;
	snprintf(err, errlen, "quota=%s: %s", opts->quota,
		 r < 0 && r != -ENOENT ? strerror(-r) : "it must name a file");
	return r < 0 && r != -ENOENT ? r : -EINVAL;
}

static const char *reason(int r, const char *why)
{
	if (why[0] && r != -EPROTONOSUPPORT)
		return why;
	return r == -EPROTONOSUPPORT
		       ? "it is of another version; mount with the one that "
			 "wrote it, or move it away: its limits are lost then"
		       : strerror(-r);
}

/* `then`: what becomes of what a damaged one said. */
static int open_or_set_aside(const struct options *opts, int dir,
			     const char *then, struct quotadb **db, char *err,
			     size_t errlen)
{
	char why[256] = "", aside[NAME_MAX + 1];
	int r = check_file(opts, dir, err, errlen);

	if (r < 0)
		return r;
	r = open_db(opts, dir, db, why, sizeof(why));
	if (r == -EUCLEAN) {
		r = quotadb_set_aside(dir, name_of(opts), aside, sizeof(aside));
		if (r == 0) {
			log_error("quota: %s is damaged (%s): it is called %s "
				  "now; %s",
				  opts->quota, why, aside, then);
			r = open_db(opts, dir, db, why, sizeof(why));
		}
	}
	if (r < 0)
		snprintf(err, errlen, "quota=%s: %s", opts->quota,
			 reason(r, why));
	return r;
}

static int load(struct overlay *o, struct quotadb *db, struct ledger *l)
{
	_cleanup_(counting_end) struct counting c = { .o = o, .ripen = true };
	uint64_t began = clock_now();
	struct scan_result *found = NULL;
	int r = quotadb_load(db, l);

	o->quota_scan = quotadb_state(db) != QUOTADB_CLEAN;
	if (r < 0 || !o->quota_scan || o->opts->quota_background)
		return r;
	r = count(&c, &found);
	if (r == 0)
		r = scan_apply(found, l);
	if (r == 0) {
		o->quota_scan = false;
		if (scan_inodes(found) > 1)
			log_info("quota: counted %llu inodes in %llu ms",
				 (unsigned long long)scan_inodes(found),
				 (unsigned long long)((clock_now() - began) /
						      CLOCK_MS));
	}
	scan_free(found);
	return r;
}

int quotafile_open(const struct overlay *o, int dir, struct quotadb **out)
{
	char err[512];
	int r = open_or_set_aside(o->opts, dir,
				  "nothing is lost: a new one is written", out,
				  err, sizeof(err));

	if (r < 0)
		log_error("%s", err);
	return r;
}

/* Two that write one file would each undo what the other did. */
static int lock_file(const struct options *opts, int dir, char *err,
		     size_t errlen)
{
	_cleanup_close_ int fd = fdio_openat(dir, name_of(opts), O_RDONLY, 0);
	int r = fd < 0 ? fd : 0;

	if (r == 0)
		r = flockwait(fd, LOCK_EX, FLOCKWAIT_ENDING);
	if (r == 0)
		return TAKE_FD(fd);
	snprintf(err, errlen, "quota=%s: %s", opts->quota,
		 r == -EBUSY ? "it is in use by another mount" : strerror(-r));
	return r;
}

int quotafile_start(struct overlay *o, char *err, size_t errlen)
{
	_cleanup_close_ int folder = open_folder(o->opts), lock = -1;
	struct quotadb *db = NULL;
	struct ledger *l;
	int r;

	if (folder < 0) {
		snprintf(err, errlen, "quota=%s: %s", o->opts->quota,
			 strerror(-folder));
		return folder;
	}
	r = open_or_set_aside(o->opts, folder,
			      "its limits are lost, usage is counted anew", &db,
			      err, errlen);
	if (r == 0)
		r = lock = lock_file(o->opts, folder, err, errlen);
	if (r < 0) {
		quotadb_free(db);
		return r;
	}
	l = ledger_new(-1, NULL);
	r = l ? load(o, db, l) : -ENOMEM;
	/* From now on nobody may rely on what it says: a new one says so. */
	if (r == 0 && quotadb_state(db) != QUOTADB_NEW)
		r = quotadb_save(db, l, false);
	quotadb_free(db);
	if (r < 0) {
		ledger_free(l);
		snprintf(err, errlen, "quota=%s: %s", o->opts->quota,
			 strerror(-r));
		return r;
	}
	r = gate_new(&o->gate, l, upper_workfd(o->upper));
	if (r == 0) {
		o->quota_dir = TAKE_FD(folder);
		o->quota_lock = TAKE_FD(lock);
	}
	return r;
}
