/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/gatefile.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/extents.h"
#include "fs/gate.h"
#include "fs/htable.h"
#include "fs/itableset.h"
#include "fs/slot.h"

#define COPY_MAX (512u << 10)  /* bytes that are read and written at once */
#define SHARED_MAX (16u << 20) /* by who is alone meanwhile */
#define ZEROS_MAX (64u << 10)

/* What is not allocated yet. */

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
		struct extents_run run = { top, top };

		r = at < counted ? extents_next(fd, at, top, &run) : -ENODATA;
		if (r < 0 && r != -ENODATA)
			return r;
		if (r == -ENODATA || run.from > top || run.from >= counted)
			run = (struct extents_run){ top, top };
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
 * What another's mapping stores we do not see (INODE_MAPPED): such a file has
 * no holes below its end, and gets none. What would leave one behind the end
 * takes blocks from there on, and what would punch one writes zeros. Somebody
 * may have it mapped until the kernel forgets the inode: a mapping outlives
 * the file that it was made by. The mark is set by who is alone, so it is sure
 * inside a pass.
 */
static bool is_mapped(const struct overlay *o, const struct inode *i)
{
	return itable_flags(o->inodes, i) & INODE_MAPPED;
}

/* A change that may take blocks. */
struct span {
	off_t off;
	size_t len;
	size_t least; /* may be changed, or nothing */
	bool alone;   /* its pass is */
	bool keeps;   /* the file's size */
	off_t from;   /* found: where it takes blocks */
};

static int find_from(const struct overlay *o, const struct inode *i, int fd,
		     const struct span *s, off_t *from)
{
	struct stat st;
	int r;

	*from = s->off;
	if (s->keeps || !is_mapped(o, i))
		return 0;
	r = fdio_stat(fd, &st);
	if (r == 0 && st.st_size < s->off)
		*from = st.st_size;
	return r;
}

/*
 * Alone, knowing exactly: how many of the bytes may be changed? Or -ENOSPC,
 * -EDQUOT when it is less than `least`.
 */
static ssize_t fit(struct gate_pass *p, int fd, const struct charge_want *w,
		   uint64_t from, size_t len, size_t least)
{
	uint64_t end = from + len, reached = from;
	unsigned tries = 0;
	int r = gate_enter_alone(p);

	do {
		if (r == 0)
			r = reach(p->o, fd, from, end, gate_room(p, w->owner),
				  &reached);
		if (r < 0)
			return r;
		if (reached - from >= least)
			return (ssize_t)(reached - from);
	} while (gate_wait(p, &tries));
	return gate_refuse(p, w);
}

/* Bytes from s->from on that may be changed now; the pass is entered. */
static ssize_t ask_from(struct gate_pass *p, struct inode *i, int fd,
			const struct span *s)
{
	size_t gap = (size_t)(s->off - s->from), len = gap + s->len;
	struct charge_want w = { .space = 0 };
	int r = gate_watch(p, i, fd);

	if (r < 0)
		return r;
	if (len == 0 || !gate_owner(p->o, i, &w.owner)) {
		gate_enter(p, NULL, 0);
		return (ssize_t)len;
	}
	w.space = most(p->o, s->from, len);
	if (gate_enter_quickly(p, &w, 1) == 0)
		return (ssize_t)len;
	return fit(p, fd, &w, (uint64_t)s->from, len, gap + s->least);
}

/*
 * Bytes of this change that may be made now; the pass is entered, and what must
 * have blocks before s->off has them.
 */
static ssize_t ask(struct gate_pass *p, struct inode *i, int fd, struct span *s)
{
	off_t from = s->off, gap;
	ssize_t n;
	int r;

	for (;;) {
		s->from = from;
		if (s->alone)
			gate_enter_alone(p);
		n = ask_from(p, i, fd, s);
		if (n < 0)
			return n;
		r = find_from(p->o, i, fd, s, &from);
		if (r < 0)
			return r;
		if (from >= s->from)
			break;
		/* There is a gap before it, or it has become shorter. */
		gate_leave(p);
	}
	gap = s->off - s->from;
	if (gap > 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, s->from, gap) < 0)
		return -errno;
	return n - gap;
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

static void shrink_dense(struct inode *i, off_t size)
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
	struct span s = { .off = b->off, .len = b->size, .least = 1 };
	GATE_PASS(pass, o);
	ssize_t n = 0;

	if (b->size == 0)
		return 0;
	if (o->gate && !is_dense(i, (uint64_t)b->off + b->size))
		n = gatefile_give_back(o, fd, (uint64_t)b->off);
	if (n < 0)
		return n;
	if (o->gate)
		gate_enter(&pass, NULL, 0);
	if (!o->gate || is_dense(i, (uint64_t)b->off + b->size))
		return fdio_pwrite_sync(fd, b->buf, b->size, b->off, b->sync);
	n = ask(&pass, i, fd, &s);
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

int gatefile_truncate(struct overlay *o, struct inode *i, int fd, off_t size)
{
	struct span s = { .off = size, .alone = true };
	GATE_PASS(pass, o);
	ssize_t n = gatefile_give_back(o, fd, (uint64_t)size);

	if (n == 0 && o->gate)
		n = ask(&pass, i, fd, &s);
	if (n < 0)
		return (int)n;
	shrink_dense(i, size);
	if (o->gate)
		gate_late(o, i);
	return ftruncate(fd, size) < 0 ? -errno : 0;
}

/* Which modes of fallocate(2) may take blocks. */
static bool allocates(int mode)
{
	return !(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
			 FALLOC_FL_INSERT_RANGE));
}

static int write_zeros(int fd, off_t off, off_t end)
{
	static const char zeros[ZEROS_MAX];

	while (off < end) {
		size_t n = end - off < (off_t)sizeof(zeros)
				   ? (size_t)(end - off)
				   : sizeof(zeros);
		ssize_t done = fdio_pwrite_sync(fd, zeros, n, off, 0);

		if (done < 0)
			return (int)done;
		off += done;
	}
	return 0;
}

static int punch_mapped(const struct overlay *o, int fd, off_t off, off_t len)
{
	const int keep = FALLOC_FL_KEEP_SIZE;
	off_t end = off + len, to, behind;
	struct stat st;
	int r = fdio_stat(fd, &st);

	if (r < 0)
		return r;
	to = end < st.st_size ? end : st.st_size;
	if (off < to &&
	    fallocate(fd, FALLOC_FL_ZERO_RANGE | keep, off, to - off) < 0)
		r = errno == EOPNOTSUPP ? write_zeros(fd, off, to) : -errno;
	behind = (off_t)gate_round(o, (uint64_t)st.st_size);
	if (behind < off)
		behind = off;
	if (r == 0 && behind < end &&
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | keep, behind, end - behind) <
		    0)
		r = -errno;
	return r;
}

int gatefile_fallocate(struct overlay *o, struct inode *i, int fd, int mode,
		       off_t off, off_t len)
{
	bool sane = off >= 0 && len > 0 && off <= INT64_MAX - len;
	struct span s = { .off = off,
			  .len = (size_t)len,
			  .least = (size_t)len,
			  .alone = mode & ~FALLOC_FL_KEEP_SIZE,
			  .keeps = mode & FALLOC_FL_KEEP_SIZE };
	GATE_PASS(pass, o);
	ssize_t n = gatefile_give_back(o, fd, UINT64_MAX);

	if (n < 0)
		return (int)n;
	if (!o->gate || !sane)
		return fallocate(fd, mode, off, len) < 0 ? -errno : 0;
	if (!allocates(mode)) {
		s.len = s.least = 0;
		s.keeps = true;
	}
	n = ask(&pass, i, fd, &s);
	if (n < 0)
		return (int)n;
	if (s.alone)
		shrink_dense(i, 0);
	gate_late(o, i);
	if (is_mapped(o, i) && (mode & FALLOC_FL_INSERT_RANGE))
		return -EOPNOTSUPP;
	if (is_mapped(o, i) &&
	    mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return punch_mapped(o, fd, off, len);
	return fallocate(fd, mode, off, len) < 0 ? -errno : 0;
}

/* A copy of blocks that are shared would leave the holes of the other. */
static ssize_t copy_mapped(const struct gatefile_copy *c, size_t len)
{
	size_t size = len < COPY_MAX ? len : COPY_MAX;
	_cleanup_free_ char *buf = malloc(size);
	ssize_t n = buf ? fdio_pread_full(c->in, buf, size, c->off_in)
			: -ENOMEM;

	if (n <= 0)
		return n;
	return fdio_pwrite_sync(c->out, buf, (size_t)n, c->off_out, 0);
}

/*
 * Where blocks are shared holes are copied, too, into what was dense: nobody
 * writes there meanwhile, neither by what inode->dense says nor so that it
 * grows. Not for too long.
 */
ssize_t gatefile_copy(struct overlay *o, struct inode *i,
		      const struct gatefile_copy *c)
{
	struct span s = { .off = c->off_out, .len = c->len, .least = 1 };
	off_t from = c->off_in, to = c->off_out;
	GATE_PASS(pass, o);
	ssize_t n;

	if (c->len == 0)
		return 0;
	n = gatefile_give_back(o, c->out, (uint64_t)c->off_out);
	if (n < 0)
		return n;
	s.alone = o->gate && gate_fs(o->gate)->shares;
	if (s.alone && s.len > SHARED_MAX)
		s.len = SHARED_MAX;
	n = (ssize_t)s.len;
	if (o->gate)
		n = ask(&pass, i, c->out, &s);
	if (n < 0)
		return n;
	if (o->gate)
		gate_late(o, i);
	if (o->gate && is_mapped(o, i))
		return copy_mapped(c, (size_t)n);
	if (s.alone)
		shrink_dense(i, c->off_out);
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

static void begin_mapped(struct overlay *o, struct inode *i)
{
	GATE_PASS(alone, o);

	if (is_mapped(o, i))
		return;
	gate_enter_alone(&alone);
	lock_acquire(&i->lock);
	itableset_flags_locked(o->inodes, i, INODE_MAPPED, 0);
	lock_release(&i->lock);
}

/* The guest has changed nothing: the file's time stays, if nobody else has. */
int gatefile_fill(struct overlay *o, struct inode *i, int fd)
{
	struct writers w = { .nodeid = itable_nodeid(o->inodes, i) };
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	bool has_hole = false;
	struct stat st;
	int r;

	begin_mapped(o, i);
	r = fdio_stat(fd, &st);
	if (r == 0)
		r = extents_find_hole(fd, (uint64_t)st.st_size,
				      gate_round(o, 1), &has_hole);
	if (r < 0 || st.st_size == 0 || (!has_hole && !slot_before(SLOT_HOLES)))
		return r;
	htable_each(o->handles, add_writer, &w);
	times[1] = time_before(&st);
	r = gatefile_fallocate(o, i, fd, FALLOC_FL_KEEP_SIZE, 0, st.st_size);
	if (r == 0 && w.n <= 1 && futimens(fd, times) < 0)
		r = -errno;
	return r;
}
