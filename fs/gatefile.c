/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/gatefile.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/gate.h"
#include "fs/htable.h"
#include "fs/slot.h"

#define EXTENTS 32u

/* What is not allocated yet. */

struct fiemap_some {
	struct fiemap head;
	struct fiemap_extent extents[EXTENTS];
};

/* Where the allocated run that has `off`, or the next one, begins and ends. */
struct run {
	uint64_t from, to;
};

/* By what the file's data says: what was allocated and never written counts
 * as missing. */
static int run_by_seek(int fd, uint64_t off, struct run *r)
{
	off_t data = lseek(fd, (off_t)off, SEEK_DATA), hole;

	if (data < 0)
		return errno == ENXIO ? -ENODATA : -errno;
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	*r = (struct run){ (uint64_t)data, (uint64_t)hole };
	return 0;
}

/* -ENODATA: there is none from here on. */
static int run_at(int fd, uint64_t off, uint64_t end, struct run *r)
{
	struct fiemap_some f = { .head = { .fm_start = off,
					   .fm_length = end - off,
					   .fm_extent_count = EXTENTS } };
	const struct fiemap_extent *e = f.extents;
	unsigned n;

	if (ioctl(fd, FS_IOC_FIEMAP, &f) < 0) {
		if (errno != EOPNOTSUPP && errno != ENOTTY)
			return -errno;
		return run_by_seek(fd, off, r);
	}
	n = f.head.fm_mapped_extents;
	if (n == 0)
		return -ENODATA;
	*r = (struct run){ e->fe_logical, e->fe_logical + e->fe_length };
	while (--n > 0 && (++e)->fe_logical == r->to)
		r->to += e->fe_length;
	return 0;
}

/* Has the filesystem reserved something behind the end, which does not count? */
static bool has_ahead(const struct overlay *o, int fd, const struct stat *st)
{
	return footprint_of(gate_fs(o->gate), st, fd) <
	       (uint64_t)st->st_blocks * 512;
}

/*
 * What the filesystem has reserved ahead of the file's end is allocated, but
 * not counted: from here on nothing is there yet.
 */
static int counted_to(const struct overlay *o, int fd, uint64_t *to)
{
	struct stat st;
	int r = fdio_stat(fd, &st);

	if (r < 0)
		return r;
	*to = UINT64_MAX;
	if (has_ahead(o, fd, &st))
		*to = gate_round(o, (uint64_t)st.st_size);
	return 0;
}

/*
 * How far from `off` on, to `end` at most, may be written with `room` bytes
 * more?
 */
static int reach(const struct overlay *o, int fd, uint64_t off, uint64_t end,
		 uint64_t room, uint64_t *reached)
{
	uint64_t block = gate_round(o, 1), at = off / block * block;
	uint64_t top = gate_round(o, end), has = room / block * block;
	uint64_t counted;
	int r = counted_to(o, fd, &counted);

	if (r < 0)
		return r;
	while (at < top) {
		struct run run = { top, top };

		r = at < counted ? run_at(fd, at, top, &run) : -ENODATA;
		if (r < 0 && r != -ENODATA)
			return r;
		if (r == -ENODATA || run.from > top || run.from >= counted)
			run = (struct run){ top, top };
		else if (run.to > counted)
			run.to = counted;
		if (run.from > at) {
			uint64_t hole = gate_round(o, run.from - at);

			if (hole > has) {
				at += has;
				break;
			}
			has -= hole;
		}
		at = gate_round(o, run.to);
	}
	*reached = at < end ? at : end;
	if (*reached < off)
		*reached = off;
	return 0;
}

/* The most that a change of these bytes may take. */
static uint64_t most(const struct overlay *o, off_t off, size_t len)
{
	uint64_t block = gate_round(o, 1);
	uint64_t from = (uint64_t)off / block * block;

	return gate_round(o, (uint64_t)off + len) - from;
}

/*
 * Alone, knowing exactly: how many of the bytes may be changed? 1..len, or
 * -ENOSPC, -EDQUOT; all or nothing with `whole`.
 */
static ssize_t fit(struct gate_pass *p, int fd, const struct charge_want *w,
		   off_t off, size_t len, bool whole)
{
	uint64_t from = (uint64_t)off, end = from + len, reached = from;
	unsigned tries = 0;
	int r = gate_enter_alone(p);

	do {
		if (r == 0)
			r = reach(p->o, fd, from, end, gate_room(p, w->owner),
				  &reached);
		if (r < 0)
			return r;
		if (reached == end || (reached > from && !whole))
			return (ssize_t)(reached - from);
	} while (gate_wait(p, &tries));
	return gate_refuse(p, w);
}

/* Bytes of this change that may be made now; the pass is entered. */
static ssize_t ask(struct gate_pass *p, struct inode *i, int fd, off_t off,
		   size_t len, bool whole)
{
	struct charge_want w = { .space = 0 };
	int r = gate_watch(p, i, fd);

	if (r < 0)
		return r;
	if (len == 0 || !gate_owner(p->o, i, &w.owner)) {
		gate_enter(p, NULL, 0);
		return (ssize_t)len;
	}
	w.space = most(p->o, off, len);
	if (gate_enter_quickly(p, &w, 1) == 0)
		return (ssize_t)len;
	return fit(p, fd, &w, off, len, whole);
}

/*
 * What has its blocks already takes no more: neither asked for nor counted.
 * inode->dense says how far from the beginning that is sure. It grows by what
 * is written at its end, and by looking; it shrinks only while its pass is
 * alone, so nobody writes by an old one.
 */
static void grow_dense(struct inode *i, int fd, uint64_t off, uint64_t len)
{
	uint64_t dense = __atomic_load_n(&i->dense, __ATOMIC_RELAXED);
	off_t hole;

	if (off > dense) {
		hole = lseek(fd, 0, SEEK_HOLE);
		if (hole > 0 && (uint64_t)hole > dense)
			dense = (uint64_t)hole;
	} else if (off + len > dense) {
		dense = off + len;
	}
	__atomic_store_n(&i->dense, dense, __ATOMIC_RELAXED);
}

static bool is_dense(const struct inode *i, uint64_t end)
{
	return end <= __atomic_load_n(&i->dense, __ATOMIC_RELAXED);
}

void gatefile_shrunk(struct inode *i, off_t size)
{
	uint64_t dense = __atomic_load_n(&i->dense, __ATOMIC_RELAXED);

	if ((uint64_t)size < dense)
		__atomic_store_n(&i->dense, (uint64_t)size, __ATOMIC_RELAXED);
}

/* fallocate(2) was here: all blocks of the file count, wherever they are. */
static bool is_asked_for(int fd)
{
	struct fsxattr x;

	return ioctl(fd, FS_IOC_FSGETXATTR, &x) == 0 &&
	       (x.fsx_xflags & FS_XFLAG_PREALLOC);
}

/*
 * XFS reserves ahead when a file grows at its end. That is not counted where it
 * can be told from the rest: where the file is full up to its end (and it may
 * have a block more, that says where the others are). Else what is written gets
 * its blocks before, and then nothing is reserved.
 */
static int keep_from_ahead(const struct overlay *o, int fd, off_t off,
			   size_t len)
{
	const struct footprint_fs *fs = gate_fs(o->gate);
	struct stat st;
	uint64_t end;
	int r;

	if (!fs->ahead)
		return 0;
	r = fdio_stat(fd, &st);
	if (r < 0 || off + (off_t)len <= st.st_size)
		return r;
	end = gate_round(o, (uint64_t)st.st_size);
	if ((uint64_t)off <= end && !is_asked_for(fd) &&
	    footprint_of(fs, &st, fd) >= end)
		return 0;
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, off, (off_t)len) < 0 ? -errno
								       : 0;
}

/*
 * Alone, for it takes all behind the end. The time that it changes is changed
 * by what comes next.
 */
int gatefile_give_back(struct overlay *o, int fd, uint64_t off)
{
	GATE_PASS(alone, o);
	struct stat st;
	off_t end;
	int r;

	if (!o->gate || !gate_fs(o->gate)->ahead)
		return 0;
	r = fdio_stat(fd, &st);
	if (r < 0 || off <= gate_round(o, (uint64_t)st.st_size) ||
	    !has_ahead(o, fd, &st))
		return r;
	gate_enter_alone(&alone);
	r = fdio_stat(fd, &st);
	if (r < 0 || !has_ahead(o, fd, &st))
		return r;
	end = (off_t)gate_round(o, (uint64_t)st.st_size);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, end,
		      INT64_MAX - end) == 0)
		return 0;
	/* chattr +a: it stays. */
	return errno == EPERM ? 0 : -errno;
}

ssize_t gatefile_write(struct overlay *o, struct inode *i, int fd,
		       const struct gatefile_bytes *b)
{
	GATE_PASS(pass, o);
	ssize_t n = 0;

	if (o->gate && !is_dense(i, (uint64_t)b->off + b->size))
		n = gatefile_give_back(o, fd, (uint64_t)b->off);
	if (n < 0)
		return n;
	if (o->gate)
		gate_enter(&pass, NULL, 0);
	if (!o->gate || is_dense(i, (uint64_t)b->off + b->size))
		return fdio_pwrite_sync(fd, b->buf, b->size, b->off, b->sync);
	n = ask(&pass, i, fd, b->off, b->size, false);
	if (n > 0) {
		int r = keep_from_ahead(o, fd, b->off, (size_t)n);

		n = r < 0 ? r
			  : fdio_pwrite_sync(fd, b->buf, (size_t)n, b->off,
					     b->sync);
	}
	if (n > 0) {
		grow_dense(i, fd, (uint64_t)b->off, (uint64_t)n);
		gate_late(o, i);
	}
	return n;
}

/* Which modes of fallocate(2) may take blocks. */
static bool allocates(int mode)
{
	return !(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
			 FALLOC_FL_INSERT_RANGE));
}

int gatefile_fallocate(struct overlay *o, struct inode *i, int fd, int mode,
		       off_t off, off_t len)
{
	GATE_PASS(pass, o);
	ssize_t n = gatefile_give_back(o, fd, UINT64_MAX);

	if (n < 0)
		return (int)n;
	if (o->gate && (mode & ~FALLOC_FL_KEEP_SIZE)) {
		gate_enter_alone(&pass);
		gatefile_shrunk(i, 0);
	}
	if (o->gate && allocates(mode) && off >= 0 && len > 0 &&
	    off <= INT64_MAX - len)
		n = ask(&pass, i, fd, off, (size_t)len, true);
	else if (o->gate)
		n = gate_watch(&pass, i, fd);
	if (n >= 0)
		gate_enter(&pass, NULL, 0);
	if (n < 0)
		return (int)n;
	if (o->gate)
		gate_late(o, i);
	return fallocate(fd, mode, off, len) < 0 ? -errno : 0;
}

ssize_t gatefile_copy(struct overlay *o, struct inode *i,
		      const struct gatefile_copy *c)
{
	off_t from = c->off_in, to = c->off_out;
	GATE_PASS(pass, o);
	ssize_t n = gatefile_give_back(o, c->out, (uint64_t)c->off_out);

	if (n < 0)
		return n;
	n = (ssize_t)c->len;
	if (o->gate)
		n = ask(&pass, i, c->out, to, c->len, false);
	if (n < 0)
		return n;
	if (o->gate)
		gate_late(o, i);
	n = copy_file_range(c->in, &from, c->out, &to, (size_t)n, 0);
	return n < 0 ? -errno : n;
}

/* Handles that may write an inode. */
struct writers {
	uint64_t nodeid;
	unsigned n;
};

static void add_writer(void *ctx, const struct handle *h)
{
	struct writers *w = ctx;

	w->n += h->nodeid == w->nodeid && (h->flags & O_ACCMODE) != O_RDONLY;
}

/* The mtime before; that of our predecessor, if there was one. */
static struct timespec time_before(const struct stat *st)
{
	const struct slot_note *before = slot_before(SLOT_HOLES);
	struct slot_note now = { .kind = SLOT_HOLES,
				 .from = (uint64_t)st->st_mtim.tv_sec,
				 .to = (uint64_t)st->st_mtim.tv_nsec };

	if (before)
		return (struct timespec){ .tv_sec = (time_t)before->from,
					  .tv_nsec = (long)before->to };
	slot_note(&now);
	return st->st_mtim;
}

/* The guest has changed nothing: the file's time stays, if nobody else has. */
int gatefile_fill(struct overlay *o, struct inode *i, int fd)
{
	struct writers w = { .nodeid = itable_nodeid(o->inodes, i) };
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;
	int r = fdio_stat(fd, &st);

	if (r < 0 || st.st_size == 0 ||
	    ((uint64_t)st.st_blocks * 512 >=
		     gate_round(o, (uint64_t)st.st_size) &&
	     !slot_before(SLOT_HOLES)))
		return r;
	htable_each(o->handles, add_writer, &w);
	times[1] = time_before(&st);
	r = gatefile_fallocate(o, i, fd, FALLOC_FL_KEEP_SIZE, 0, st.st_size);
	if (r == 0 && w.n <= 1 && futimens(fd, times) < 0)
		r = -errno;
	return r;
}
