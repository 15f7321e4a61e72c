/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/quotarecount.h"

#include <fcntl.h>
#include <stdlib.h>

#include "fs/attr.h"
#include "fs/base/array.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/gate.h"
#include "fs/override.h"
#include "quota/recount.h"
#include "quota/walk.h"

/*
 * Whatever is about to change becomes known before (gate_know), and so does
 * what gets another name or place (gate_moves): the walk need not find it.
 * What is in a directory that moves it may never come by: it walks again then.
 * An inode that nobody changes it looks at with the gate stopped: nothing is
 * half made.
 */
#define WALKS 4 /* before the last, with everything stopped */
#define THREADS 2

struct job {
	struct overlay *o;
	struct recount *rc;
	struct footprint_fs fs;
	bool stopped;
	struct recount_row *rows;
	size_t n, room;
	int err;
};

static void job_end(struct job *j)
{
	recount_free(j->rc);
	free(j->rows);
}

static int note_row(struct job *j, uint32_t row, uint64_t ino)
{
	if (ARRAY_FIT(j->rows, j->room, j->n + 1) < 0)
		return -ENOMEM;
	j->rows[j->n++] = (struct recount_row){ row, ino };
	return 0;
}

/* What is known already, as it is now. */
static void note_known(void *ctx, uint32_t row)
{
	struct job *j = ctx;
	struct overlay *o = j->o;
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	OVERLAY_PIN(p, o);
	struct stat st;
	int r;

	p.inode = itable_get_index(o->inodes, row);
	if (!p.inode || j->err < 0)
		return;
	itable_view(o->inodes, p.inode, &v);
	r = fd = attr_open_meta(o, &v, O_PATH);
	if (r >= 0)
		r = fdio_stat(fd, &st);
	if (r == 0) {
		gate_settle(o, p.inode, fd);
		r = note_row(j, row, st.st_ino);
	}
	if (r < 0)
		j->err = r;
}

static int begin(struct job *j)
{
	struct gate *g = j->o->gate;

	gate_stop(g);
	charge_each_row(gate_ledger(g), note_known, j);
	gate_moved(g);
	if (j->err == 0)
		recount_begin(j->rc, j->rows, j->n);
	gate_go_on(g);
	return j->err;
}

static int look(const struct job *j, int dirfd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct charge c;
	struct stat st;
	int r = fdio_statat(dirfd, name, &st);

	if (r < 0 || !footprint_counts(&st))
		return r;
	c = (struct charge){ .space = footprint_at(&j->fs, &st, dirfd, name),
			     .ino = st.st_ino };
	if (j->o->opts->xattr_permissions) {
		r = fd = fdio_openat(dirfd, name, O_PATH, 0);
		if (r >= 0)
			r = override_read(fd, &st);
		if (r < 0)
			return r;
	}
	c.owner = (struct charge_owner){ st.st_uid, st.st_gid };
	recount_see(j->rc, &c);
	return 0;
}

static int come_by(void *ctx, unsigned thread, int dirfd, const char *name,
		   struct stat *st)
{
	const struct job *j = ctx;
	int r;

	(void)thread;
	if (!footprint_counts(st) || recount_has(j->rc, st->st_ino))
		return 0;
	footprint_ripen(&j->fs, st, dirfd, name);
	if (!j->stopped)
		gate_stop(j->o->gate);
	r = look(j, dirfd, name);
	if (!j->stopped)
		gate_go_on(j->o->gate);
	return r == -ENOENT || r == -ESTALE ? 0 : r;
}

static int walk(struct job *j)
{
	int fds[WORKDIR_FDS], roots[2];
	const struct walk_config w = { .roots = roots,
				       .n_roots = 2,
				       .threads = THREADS,
				       .fn = come_by,
				       .ctx = j };

	upper_fds(j->o->upper, fds);
	roots[0] = fds[0];
	roots[1] = upper_indexfd(j->o->upper);
	return walk_run(&w);
}

/* 1 when it is done. */
static int try(struct job *j, bool last, int64_t *n)
{
	struct gate *g = j->o->gate;
	int r = last ? 0 : walk(j);

	if (r < 0)
		return r;
	gate_stop(g);
	j->stopped = true;
	if (last)
		r = walk(j);
	if (r == 0 && (last || !gate_moved(g))) {
		*n = recount_end(j->rc);
		r = 1;
	}
	j->stopped = false;
	gate_go_on(g);
	return r;
}

int64_t quotarecount(struct overlay *o)
{
	_cleanup_(job_end) struct job j = { .o = o, .fs = *gate_fs(o->gate) };
	int64_t n = 0;
	int r = 0;

	j.rc = recount_new(gate_ledger(o->gate));
	if (!j.rc)
		return -ENOMEM;
	r = begin(&j);
	for (int walks = 1; r == 0; walks++)
		r = try(&j, walks == WALKS, &n);
	return r < 0 ? r : n;
}
