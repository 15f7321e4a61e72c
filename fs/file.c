/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "fs/attr.h"
#include "fs/change.h"
#include "fs/backing.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/copyup.h"
#include "fs/fileseek.h"
#include "fs/filesync.h"
#include "fs/gate.h"
#include "fs/gatefile.h"
#include "fs/htable.h"
#include "fs/iomode.h"
#include "fs/itableset.h"
#include "fs/window.h"

/*
 * What the daemon's own descriptors leave out of the caller's flags. O_SYNC and
 * O_DSYNC (a bit of it) come with each write, as do those of pwritev2(2).
 */
#define NOT_OURS                                                               \
	(O_APPEND | O_DIRECT | O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW |       \
	 O_NOCTTY | O_NONBLOCK | O_ASYNC | O_DIRECTORY | O_PATH | O_CLOEXEC |  \
	 O_SYNC)

static bool data_is_upper(const struct itable_view *v)
{
	return (v->flags & INODE_UPPER) && !(v->flags & INODE_METACOPY);
}

/* A descriptor of the data: upper's file, or the lower's. */
static int open_data(struct overlay *o, const struct itable_view *v, int flags)
{
	struct layer *l;
	struct ref low;

	if (data_is_upper(v) || v->n_lower == 0)
		return attr_open_meta(o, v, flags);
	itable_view_data(v, &low);
	l = overlay_layer(o, &low);
	return l->ops->open(l, &low, flags);
}

/*
 * Written by passthrough, nobody would take setuid, setgid or capabilities
 * from the file: the kernel leaves that to us and we do not see the write. A
 * file that has some is written through us. Nor does it look at chattr's
 * flags when it opens the backing file.
 */
static int find_plain(struct overlay *o, struct inode *i, int flags,
		      bool *plain)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	struct statx sx;
	ssize_t caps;

	*plain = true;
	itable_view(o->inodes, i, &v);
	if (v.flags & INODE_PLAIN)
		return 0;
	fd = attr_open_meta(o, &v, O_PATH);
	if (fd < 0)
		return fd;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MODE, &sx) < 0)
		return -errno;
	if (sx.stx_attributes & STATX_ATTR_IMMUTABLE)
		return -EPERM;
	if ((sx.stx_attributes & STATX_ATTR_APPEND) && !(flags & O_APPEND))
		return -EPERM;
	caps = xattrio_get(fd, "security.capability", NULL, 0);
	if (caps < 0 && caps != -ENODATA && caps != -EOPNOTSUPP)
		return (int)caps;
	*plain = !(sx.stx_mode & (S_ISUID | S_ISGID)) && caps < 0;
	if (*plain && !(sx.stx_attributes & STATX_ATTR_APPEND)) {
		lock_acquire(&i->lock);
		itableset_flags_locked(o->inodes, i, INODE_PLAIN, 0);
		lock_release(&i->lock);
	}
	return 0;
}

/* Opening. */

static enum iomode choose(const struct overlay *o, const struct inode *i,
			  const struct itable_view *v, bool seen)
{
	struct iomode_state s = {
		.available = backing_available(o->backing),
		.program = v->flags & INODE_PROGRAM,
		.upper = data_is_upper(v),
		.pass_lower = v->flags & INODE_PASS_LOWER,
		.seen = seen,
		.n_cached = i->n_cached,
		.n_pass = i->n_pass,
	};

	return iomode_choose(&s);
}

/* How a file is opened. */
struct opening {
	int fd;	    /* of its data, or -1 */
	bool write; /* it may be written */
	bool seen;  /* its writes must come to us */
	bool watch; /* or else be watched */
	bool both;  /* one of these, and reading too, by a cache */
};

/* INODE_PASS_LOWER, INODE_WATCHED: as its backing is to be. */
static uint32_t backing_kind(const struct overlay *o, const struct inode *i,
			     const struct itable_view *v,
			     const struct opening *w)
{
	bool watched = v->flags & INODE_WATCHED;

	if (!data_is_upper(v))
		return INODE_PASS_LOWER;
	/* Who only reads is not kept waiting, if nobody wrote before. */
	if (i->n_pass == 0)
		watched = w->write ? o->window != NULL
				   : watched && !window_asks(o->window);
	return watched ? INODE_WATCHED : 0;
}

#define BACKING_KINDS ((uint32_t)INODE_PASS_LOWER | INODE_WATCHED)

/* The backing id for the data as it is now; w->fd is it, or -1. */
static int backing_for(struct overlay *o, struct inode *i,
		       const struct itable_view *v, const struct opening *w)
{
	uint32_t kind = backing_kind(o, i, v, w);
	_cleanup_close_ int own = -1, watched = -1;
	int fd = w->fd;

	if (i->n_pass == 0 && (v->flags & BACKING_KINDS) != kind)
		backing_drop_locked(o, i);
	if (itableset_backing_get_locked(o->inodes, i) > 0)
		return backing_get_locked(o, i, -1);
	if (fd < 0) {
		fd = own = open_data(o, v, O_PATH);
		if (fd < 0)
			return fd;
	}
	if (kind == INODE_WATCHED) {
		watched = window_path(o->window, fd);
		fd = watched < 0 ? fd : watched;
		kind = watched < 0 ? 0 : kind;
	}
	if ((v->flags & BACKING_KINDS) != kind)
		itableset_flags_locked(o->inodes, i, kind,
				       BACKING_KINDS & ~kind);
	return backing_get_locked(o, i, fd);
}

static void release_mode(struct overlay *o, struct inode *i, bool pass)
{
	bool idle;

	lock_acquire(&i->lock);
	if (pass)
		i->n_pass--;
	else
		i->n_cached--;
	idle = pass && i->n_pass == 0;
	if (idle && (itable_flags(o->inodes, i) & INODE_UNLINKED)) {
		backing_drop_locked(o, i);
		idle = false;
	}
	lock_release(&i->lock);
	if (idle)
		backing_idle(o, i);
}

/* Count it in, by the mode that goes with what is open. */
static int enter_mode(struct overlay *o, struct inode *i,
		      const struct opening *w, struct file_opened *out)
{
	struct itable_view v;
	enum iomode mode;
	bool seen = w->seen;
	int id = 0;

	lock_acquire(&i->lock);
	itable_view_locked(o->inodes, i, &v);
	mode = choose(o, i, &v, w->seen && w->both);
	if (mode == IOMODE_PASS) {
		id = backing_for(o, i, &v, w);
		if (id < 0 && i->n_pass > 0) {
			lock_release(&i->lock);
			return id;
		}
		if (id < 0)
			mode = IOMODE_CACHED;
	}
	if (mode == IOMODE_CONFLICT) {
		itable_split_locked(o->inodes, i);
		lock_release(&i->lock);
		return -ESTALE;
	}
	if (mode == IOMODE_PASS) {
		i->n_pass++;
		i->stale_pages = 1;
		/* Others have it open so that it cannot be watched. */
		if (w->watch && !(itable_flags(o->inodes, i) & INODE_WATCHED))
			seen = true;
	} else {
		i->n_cached++;
		out->keep_cache = !i->stale_pages;
		i->stale_pages = 0;
	}
	lock_release(&i->lock);
	out->backing_id = mode == IOMODE_PASS ? id : 0;
	out->direct = out->backing_id > 0 && seen;
	return 0;
}

/* w->fd is taken in every case. */
static int enter(struct overlay *o, struct inode *i, int flags,
		 const struct opening *w, struct file_opened *out)
{
	struct file_opened res = { .fh = 0 };
	struct handle h = { .flags = (uint32_t)flags };
	GATE_PASS(pass, o);
	int r;

	/* Not while somebody counts what is there. */
	if ((flags & O_ACCMODE) != O_RDONLY)
		gate_enter(&pass, NULL, 0);
	r = enter_mode(o, i, w, &res);

	if (r < 0) {
		if (w->fd >= 0)
			close(w->fd);
		return r;
	}
	h.nodeid = itable_nodeid(o->inodes, i);
	h.pass = res.backing_id > 0;
	res.fh = htable_add(o->handles, &h, w->fd);
	if (!res.fh) {
		release_mode(o, i, h.pass);
		return -ENFILE;
	}
	*out = res;
	if (o->window && w->write && h.pass && !res.direct)
		window_opened(o, i);
	return 0;
}

/* O_TRUNC comes when nothing else can refuse any more. */
static int truncate_open(struct overlay *o, struct inode *i, int fd,
			 bool kill_priv)
{
	int r;

	r = kill_priv ? attr_kill_priv(fd) : 0;
	if (r > 0)
		overlay_attr_stale(o, i);
	return r < 0 ? r : change_truncate(o, i, fd, 0);
}

static int open_to_truncate(struct overlay *o, struct inode *i)
{
	struct itable_view v;

	itable_view(o->inodes, i, &v);
	return attr_open_meta(o, &v, O_WRONLY);
}

static int know(struct overlay *o, struct inode *i)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;

	itable_view(o->inodes, i, &v);
	fd = attr_open_meta(o, &v, O_PATH);
	return fd < 0 ? fd : gate_know(o, i, fd);
}

/*
 * Who has a limit writes through us: by passthrough nobody would look, unless
 * it is watched. What has none is counted from here on, and when it is closed.
 */
static void heed_limits(struct overlay *o, struct inode *i, int flags,
			struct opening *w)
{
	struct charge_owner owner;

	w->write = true;
	if (!gate_is_limited(o, i))
		return;
	w->watch = o->window && gate_owner(o, i, &owner) &&
		   window_is_far(o, owner);
	w->seen |= !w->watch;
	w->both = (flags & O_ACCMODE) == O_RDWR;
}

static int ask_limits(struct overlay *o, struct inode *i, int flags,
		      struct opening *w)
{
	struct charge_owner owner;
	int r = 0;

	if (!o->gate)
		return 0;
	if (!gate_owner(o, i, &owner))
		r = know(o, i);
	if (r == 0)
		heed_limits(o, i, flags, w);
	return r;
}

/*
 * Others have it open by passthrough, so must this one: what it maps into
 * memory is written past us. Not into holes, then.
 */
static int fill(struct overlay *o, struct inode *i, const struct opening *w,
		struct file_opened *out)
{
	int fd, r;

	if (!out->direct || !w->both)
		return 0;
	fd = file_fd(o, out->fh);
	r = fd < 0 ? fd : gatefile_fill(o, i, fd);
	if (r < 0)
		file_release(o, out->fh);
	return r;
}

int file_open(struct overlay *o, struct inode *i, int flags, bool kill_priv,
	      struct file_opened *out)
{
	bool write = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	struct opening w = { .fd = -1 };
	_cleanup_close_ int fd = -1;
	bool plain = true;
	int r = 0;

	if (write)
		r = copyup(o, i, flags & O_TRUNC ? COPYUP_META : COPYUP_DATA);
	if (r == 0 && write)
		r = find_plain(o, i, flags, &plain);
	if (r == 0 && (flags & O_TRUNC)) {
		r = fd = open_to_truncate(o, i);
		if (r >= 0)
			r = truncate_open(o, i, fd, kill_priv);
	}
	if (r == 0 && write)
		r = filesync_settle(o, i, flags);
	w.seen = !plain;
	if (r == 0 && write)
		r = ask_limits(o, i, flags, &w);
	if (r == 0)
		r = enter(o, i, flags, &w, out);
	return r == 0 ? fill(o, i, &w, out) : r;
}

int file_adopt(struct overlay *o, struct inode *i, int flags, int fd,
	       struct file_opened *out)
{
	struct opening w = { .fd = fd };
	int r;

	if (o->gate && (flags & O_ACCMODE) != O_RDONLY)
		heed_limits(o, i, flags, &w);
	r = enter(o, i, flags, &w, out);
	return r == 0 ? fill(o, i, &w, out) : r;
}

/* What was written by passthrough, or has changed since it was written. */
static void count(struct overlay *o, struct inode *i, int fd)
{
	_cleanup_close_ int own = -1;
	struct itable_view v;

	if (itable_flags(o->inodes, i) & INODE_UPPER)
		gate_late(o, i);
	if (fd >= 0) {
		gate_settle(o, i, fd);
		return;
	}
	itable_view(o->inodes, i, &v);
	own = attr_open_meta(o, &v, O_PATH);
	if (own >= 0)
		gate_settle(o, i, own);
}

void file_release(struct overlay *o, uint64_t fh)
{
	struct handle *h = htable_get(o->handles, fh);
	OVERLAY_PIN(p, o);
	GATE_PASS(gate, o);
	bool pass, wrote;

	if (!h)
		return;
	pass = h->pass;
	wrote = (h->flags & O_ACCMODE) != O_RDONLY;
	p.inode = itable_get(o->inodes, h->nodeid);
	/* Not while somebody counts what is there. */
	if (wrote)
		gate_enter(&gate, NULL, 0);
	if (p.inode && wrote && o->gate)
		count(o, p.inode, h->fd_lower ? -1 : h->fd - 1);
	htable_remove(o->handles, fh);
	if (!p.inode)
		return;
	release_mode(o, p.inode, pass);
	if (itable_flags(o->inodes, p.inode) & INODE_UNLINKED)
		gate_dying(o);
}

/* The descriptor behind a handle. */

static int reopen(struct overlay *o, struct handle *h)
{
	int flags = (int)h->flags & ~NOT_OURS, fd, old;
	struct itable_view v;
	OVERLAY_PIN(p, o);

	p.inode = itable_get(o->inodes, h->nodeid);
	if (!p.inode)
		return -ESTALE;
	itable_view(o->inodes, p.inode, &v);
	if ((flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	fd = open_data(o, &v, flags);
	/* A file of chattr +a is opened to append, or not at all. */
	if (fd == -EPERM && (h->flags & O_APPEND))
		fd = open_data(o, &v, flags | O_APPEND);
	if (fd < 0)
		return fd;
	lock_acquire(&p.inode->lock);
	old = h->fd - 1;
	if (old >= 0 && !h->fd_lower) {
		close(fd); /* another thread was faster */
		fd = old;
	} else {
		/*
		 * Another request may still read by the old one: the number
		 * stays, what it names changes.
		 */
		if (old >= 0) {
			dup3(fd, old, O_CLOEXEC);
			close(fd);
			fd = old;
		}
		h->fd_lower = !data_is_upper(&v);
		h->fd = fd + 1;
	}
	lock_release(&p.inode->lock);
	return fd;
}

/* Did the data move up since the descriptor was opened? */
static bool outdated(struct overlay *o, const struct handle *h)
{
	OVERLAY_PIN(p, o);
	uint32_t flags;

	if (!h->fd_lower || h->pass)
		return false;
	p.inode = itable_get(o->inodes, h->nodeid);
	if (!p.inode)
		return false;
	flags = itable_flags(o->inodes, p.inode);
	return (flags & INODE_UPPER) && !(flags & INODE_METACOPY);
}

static int fd_of(struct overlay *o, struct handle *h)
{
	int fd = h->fd - 1;

	if (fd < 0 || outdated(o, h))
		return reopen(o, h);
	return fd;
}

int file_fd(struct overlay *o, uint64_t fh)
{
	struct handle *h = htable_get(o->handles, fh);

	return h ? fd_of(o, h) : -EBADF;
}

/* Data. */

ssize_t file_read(struct overlay *o, uint64_t fh, void *buf, size_t size,
		  off_t off)
{
	int fd = file_fd(o, fh);

	return fd < 0 ? fd : fdio_pread_full(fd, buf, size, off);
}

/*
 * What a handle writes to: its descriptor and, for the quota, its inode. One
 * that is to be synced is settled, as for fsync(2).
 */
static int target_of(struct overlay *o, uint64_t fh, int sync,
		     struct overlay_pin *p)
{
	struct handle *h = htable_get(o->handles, fh);
	int r = 0;

	if (!h)
		return -EBADF;
	if (o->gate || sync) {
		p->inode = itable_get(o->inodes, h->nodeid);
		if (!p->inode)
			return -ESTALE;
	}
	if (sync)
		r = filesync_settle(o, p->inode, O_DSYNC);
	return r < 0 ? r : fd_of(o, h);
}

ssize_t file_write(struct overlay *o, uint64_t fh, const void *buf, size_t size,
		   off_t off, int sync)
{
	const struct gatefile_bytes b = { buf, size, off, sync };
	OVERLAY_PIN(p, o);
	int fd = target_of(o, fh, sync, &p);

	return fd < 0 ? fd : gatefile_write(o, p.inode, fd, &b);
}

int file_kill_priv(struct overlay *o, struct inode *i, uint64_t fh)
{
	int fd;

	/* Set by whoever looked at chattr's flags too: at open, at create. */
	if (itable_flags(o->inodes, i) & INODE_PLAIN)
		return 0;
	fd = file_fd(o, fh);
	return fd < 0 ? fd : attr_kill_priv(fd);
}

int file_fsync(struct overlay *o, uint64_t fh, bool datasync)
{
	struct handle *h = htable_get(o->handles, fh);
	OVERLAY_PIN(p, o);
	int fd;

	if (!h)
		return -EBADF;
	if (!o->upper)
		return 0;
	p.inode = itable_get(o->inodes, h->nodeid);
	if (!p.inode)
		return -ESTALE;
	fd = fd_of(o, h);
	if (fd < 0)
		return fd;
	return h->fd_lower ? filesync_upper(o, p.inode, datasync)
			   : filesync_fd(o, p.inode, fd, datasync);
}

int file_fallocate(struct overlay *o, uint64_t fh, int mode, off_t off,
		   off_t len)
{
	OVERLAY_PIN(p, o);
	int fd = target_of(o, fh, 0, &p);

	return fd < 0 ? fd : gatefile_fallocate(o, p.inode, fd, mode, off, len);
}

off_t file_lseek(struct overlay *o, uint64_t fh, off_t off, int whence)
{
	struct handle *h = htable_get(o->handles, fh);
	int fd = h ? fd_of(o, h) : -EBADF;

	return fd < 0 ? fd : fileseek(o, h, fd, off, whence);
}

ssize_t file_copy_range(struct overlay *o, uint64_t from, off_t off_from,
			uint64_t to, off_t off_to, size_t len)
{
	OVERLAY_PIN(p, o);
	struct gatefile_copy c = { .in = file_fd(o, from),
				   .out = target_of(o, to, 0, &p),
				   .off_in = off_from,
				   .off_out = off_to,
				   .len = len };

	if (c.in < 0 || c.out < 0)
		return c.in < 0 ? c.in : c.out;
	return gatefile_copy(o, p.inode, &c);
}
