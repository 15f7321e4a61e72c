/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fuse.h"

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 18)
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <limits.h>
#include <linux/fuse.h>
#include <sys/uio.h>

#include "fs/attr.h"
#include "fs/backing.h"
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/create.h"
#include "fs/dirsnap.h"
#include "fs/exattr.h"
#include "fs/file.h"
#include "fs/link.h"
#include "fs/lookup.h"
#include "fs/misc.h"
#include "fs/remove.h"
#include "fs/rename.h"

/*
 * Every operation has the same shape: pin the inodes that the request names,
 * call the overlay, answer. Errors are negative everywhere else; reply_err()
 * turns the sign. We are the only writer, so what the kernel was told stays
 * true until it changes it itself: times to live are endless, also those of
 * names that do not exist.
 */
#define FOREVER 1e9
#define SLOW_BYTES 262144u
#define LISTING_MAX 65536u

struct fuse_server {
	struct overlay *o;
	struct fuse_session *se;
	int fd;
	bool ready;
	bool no_opendir;
	double ttl;
};

static struct fuse_server *server(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct overlay *overlay(fuse_req_t req)
{
	return server(req)->o;
}

static void reply_err(fuse_req_t req, int r)
{
	fuse_reply_err(req, -r);
}

/* An inode named by a request, for one scope; NULL was answered. */
#define PINNED(name, req, ino)                                                 \
	OVERLAY_PIN(name, overlay(req));                                       \
	name.inode = itable_get(overlay(req)->inodes, ino);                    \
	if (!name.inode) {                                                     \
		reply_err(req, -ESTALE);                                       \
		return;                                                        \
	}

static double ttl_of(fuse_req_t req, struct inode *i)
{
	/* What two nodeids share can change by the other one. */
	if (itable_flags(overlay(req)->inodes, i) & INODE_SPLIT)
		return 0;
	return server(req)->ttl;
}

/* The kernel is told of `i` once more; undone if it did not listen. */
static void fill_entry(fuse_req_t req, struct inode *i, const struct stat *st,
		       struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){
		.ino = itable_lookup_add(overlay(req)->inodes, i),
		.attr = *st,
		.attr_timeout = ttl_of(req, i),
		.entry_timeout = server(req)->ttl,
	};
}

static void reply_entry(fuse_req_t req, struct inode *i, const struct stat *st)
{
	struct overlay *o = overlay(req);
	struct fuse_entry_param e;

	fill_entry(req, i, st, &e);
	if (fuse_reply_entry(req, &e) != 0)
		itable_forget(o->inodes, e.ino, 1);
}

static void reply_attr(fuse_req_t req, struct inode *i, const struct stat *st)
{
	fuse_reply_attr(req, st, ttl_of(req, i));
}

/* The connection. */

static const uint64_t wanted[] = {
	FUSE_CAP_ASYNC_READ,	  FUSE_CAP_ATOMIC_O_TRUNC,
	FUSE_CAP_PARALLEL_DIROPS, FUSE_CAP_HANDLE_KILLPRIV_V2,
	FUSE_CAP_CACHE_SYMLINKS,  FUSE_CAP_NO_OPENDIR_SUPPORT,
	FUSE_CAP_READDIRPLUS,	  FUSE_CAP_READDIRPLUS_AUTO,
	FUSE_CAP_IOCTL_DIR,	  FUSE_CAP_ASYNC_DIO,
	FUSE_CAP_DONT_MASK,	  FUSE_CAP_DIRECT_IO_ALLOW_MMAP,
};

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fuse_server *s = userdata;
	const struct options *opts = s->o->opts;

	conn->want = 0;
	conn->want_ext = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++)
		fuse_set_feature_flag(conn, wanted[i]);
	if (!opts->noacl && !opts->noxattrs)
		fuse_set_feature_flag(conn, FUSE_CAP_POSIX_ACL);
	s->no_opendir = fuse_get_feature_flag(conn,
					      FUSE_CAP_NO_OPENDIR_SUPPORT);
	if (opts->passthrough &&
	    fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH)) {
		/* libfuse adds one: ours, on which an overlay still fits. */
		conn->max_backing_stack_depth = 0;
		backing_set_channel(s->o->backing, s->fd);
	}
	conn->max_write = 1u << 20;
	conn->max_readahead = 1u << 20;
	conn->max_background = 64;
	conn->time_gran = 1;
	s->ready = true;
}

/* Names. */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct overlay *o = overlay(req);
	OVERLAY_PIN(found, o);
	struct stat st;
	int r;
	PINNED(dir, req, parent)

	r = lookup_inode(o, dir.inode, name, &found.inode, &st);
	if (r == -ENOENT) {
		struct fuse_entry_param e = {.entry_timeout = server(req)->ttl};

		fuse_reply_entry(req, &e);
	} else if (r < 0) {
		reply_err(req, r);
	} else {
		reply_entry(req, found.inode, &st);
	}
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	itable_forget(overlay(req)->inodes, ino, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *all)
{
	for (size_t i = 0; i < count; i++)
		itable_forget(overlay(req)->inodes, all[i].ino, all[i].nlookup);
	fuse_reply_none(req);
}

static struct create_spec spec_of(fuse_req_t req, mode_t mode)
{
	const struct fuse_ctx *c = fuse_req_ctx(req);

	return (struct create_spec){
		.mode = mode, .uid = c->uid, .gid = c->gid, .umask = c->umask};
}

static void make(fuse_req_t req, fuse_ino_t parent, const char *name,
		 const struct create_spec *spec)
{
	struct create_result res = {.inode = NULL};
	int r;
	PINNED(dir, req, parent)

	r = create(overlay(req), dir.inode, name, spec, &res);
	if (r < 0) {
		reply_err(req, r);
	} else {
		OVERLAY_PIN(p, overlay(req));

		p.inode = res.inode;
		reply_entry(req, res.inode, &res.st);
	}
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	struct create_spec spec = spec_of(req, mode);

	spec.rdev = rdev;
	make(req, parent, name, &spec);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	struct create_spec spec = spec_of(req, mode | S_IFDIR);

	make(req, parent, name, &spec);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	struct create_spec spec = spec_of(req, S_IFLNK | 0777);

	spec.target = target;
	make(req, parent, name, &spec);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
		    const char *name)
{
	struct stat st;
	int r;
	PINNED(p, req, ino)
	PINNED(dir, req, parent)

	r = link_name(overlay(req), p.inode, dir.inode, name, &st);
	if (r < 0)
		reply_err(req, r);
	else
		reply_entry(req, p.inode, &st);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	PINNED(dir, req, parent)

	reply_err(req, remove_name(overlay(req), dir.inode, name, false));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	PINNED(dir, req, parent)

	reply_err(req, remove_name(overlay(req), dir.inode, name, true));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t newparent, const char *newname, unsigned flags)
{
	struct rename_spec spec = {
		.from = name, .to = newname, .flags = flags};
	PINNED(from, req, parent)
	PINNED(to, req, newparent)

	spec.from_dir = from.inode;
	spec.to_dir = to.inode;
	reply_err(req, rename_name(overlay(req), &spec));
}

/* Attributes. */

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	struct stat st;
	int r;
	PINNED(p, req, ino)

	(void)fi;
	r = attr_get(overlay(req), p.inode, &st);
	if (r < 0)
		reply_err(req, r);
	else
		reply_attr(req, p.inode, &st);
}

static void op_statx(fuse_req_t req, fuse_ino_t ino, int flags, int mask,
		     struct fuse_file_info *fi)
{
	struct statx sx;
	int r;
	PINNED(p, req, ino)

	(void)fi;
	(void)mask;
	r = attr_statx(overlay(req), p.inode, &sx);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_statx(req, flags, &sx, ttl_of(req, p.inode));
}

static struct timespec time_of(int valid, int set, int now,
			       const struct timespec *t)
{
	if (!(valid & set))
		return (struct timespec){.tv_nsec = UTIME_OMIT};
	if (valid & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	return *t;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		       int valid, struct fuse_file_info *fi)
{
	struct attr_change c = {
		.mode = valid & FUSE_SET_ATTR_MODE,
		.uid = valid & FUSE_SET_ATTR_UID,
		.gid = valid & FUSE_SET_ATTR_GID,
		.size = valid & FUSE_SET_ATTR_SIZE,
		.atime = valid & FUSE_SET_ATTR_ATIME,
		.mtime = valid & FUSE_SET_ATTR_MTIME,
		.kill_priv = valid & FUSE_SET_ATTR_KILL_SUID,
		.new_mode = attr->st_mode & 07777,
		.new_uid = attr->st_uid,
		.new_gid = attr->st_gid,
		.new_size = attr->st_size,
	};
	struct stat st;
	int r;
	PINNED(p, req, ino)

	c.times[0] = time_of(valid, FUSE_SET_ATTR_ATIME,
			     FUSE_SET_ATTR_ATIME_NOW, &attr->st_atim);
	c.times[1] = time_of(valid, FUSE_SET_ATTR_MTIME,
			     FUSE_SET_ATTR_MTIME_NOW, &attr->st_mtim);
	if (c.size && fi)
		c.fh = fi->fh;
	r = attr_set(overlay(req), p.inode, &c, &st);
	if (r < 0)
		reply_err(req, r);
	else
		reply_attr(req, p.inode, &st);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX];
	int r;
	PINNED(p, req, ino)

	r = misc_readlink(overlay(req), p.inode, target, sizeof(target));
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_readlink(req, target);
}

/* Files. */

static void fill_opened(struct fuse_file_info *fi, const struct file_opened *f)
{
	fi->fh = f->fh;
	fi->backing_id = f->backing_id;
	fi->keep_cache = f->keep_cache;
	fi->direct_io = f->direct;
	fi->noflush = 1;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct overlay *o = overlay(req);
	struct file_opened f;
	int r;
	PINNED(p, req, ino)

	r = file_open(o, p.inode, fi->flags, fi->kill_suidgid, &f);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	fill_opened(fi, &f);
	if (fuse_reply_open(req, fi) != 0)
		file_release(o, f.fh);
}

static void reply_create(fuse_req_t req, struct create_result *res,
			 struct fuse_file_info *fi)
{
	struct overlay *o = overlay(req);
	struct fuse_entry_param e;
	struct file_opened f;
	OVERLAY_PIN(p, o);
	int r;

	p.inode = res->inode;
	r = file_adopt(o, res->inode, fi->flags, res->fd, &f);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	fill_opened(fi, &f);
	fill_entry(req, res->inode, &res->st, &e);
	if (fuse_reply_create(req, &e, fi) != 0) {
		file_release(o, f.fh);
		itable_forget(o->inodes, e.ino, 1);
	}
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	struct create_spec spec = spec_of(req, S_IFREG | (mode & 07777));
	struct create_result res;
	int r;
	PINNED(dir, req, parent)

	spec.open = true;
	r = create(overlay(req), dir.inode, name, &spec, &res);
	if (r < 0)
		reply_err(req, r);
	else
		reply_create(req, &res, fi);
}

static void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode,
		       struct fuse_file_info *fi)
{
	struct create_spec spec = spec_of(req, S_IFREG | (mode & 07777));
	struct create_result res;
	int r;
	PINNED(dir, req, parent)

	spec.open = true;
	r = create_unnamed(overlay(req), dir.inode, &spec, &res);
	if (r < 0)
		reply_err(req, r);
	else
		reply_create(req, &res, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	(void)ino;
	file_release(overlay(req), fi->fh);
	reply_err(req, 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	_cleanup_free_ char *buf = malloc(size ? size : 1);
	ssize_t n = -ENOMEM;

	(void)ino;
	if (buf)
		n = file_read(overlay(req), fi->fh, buf, size, off);
	if (n < 0)
		reply_err(req, (int)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

static void reply_count(fuse_req_t req, ssize_t n)
{
	if (n < 0)
		reply_err(req, (int)n);
	else
		fuse_reply_write(req, (size_t)n);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf,
		     size_t size, off_t off, struct fuse_file_info *fi)
{
	struct overlay *o = overlay(req);
	int r = 0;
	PINNED(p, req, ino)

	if (fi->kill_suidgid)
		r = file_kill_priv(o, p.inode, fi->fh);
	/* The kernel does not expect the mode to change by a write. */
	if (r > 0)
		overlay_attr_stale(o, p.inode);
	reply_count(req, r < 0 ? r : file_write(o, fi->fh, buf, size, off));
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		     struct fuse_file_info *fi)
{
	(void)ino;
	reply_err(req, file_fsync(overlay(req), fi->fh, datasync));
}

/* For requests that do not say whether their caller may keep setuid. */
static int kill_by_owner(fuse_req_t req, struct inode *i, uint64_t fh)
{
	struct overlay *o = overlay(req);
	int r = 0;

	if (ids_uid_in(&o->ids, fuse_req_ctx(req)->uid) != 0)
		r = file_kill_priv(o, i, fh);
	if (r > 0)
		overlay_attr_stale(o, i);
	return r < 0 ? r : 0;
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
			 off_t len, struct fuse_file_info *fi)
{
	int r;
	PINNED(p, req, ino)

	r = kill_by_owner(req, p.inode, fi->fh);
	if (r == 0)
		r = file_fallocate(overlay(req), fi->fh, mode, off, len);
	reply_err(req, r);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
		     struct fuse_file_info *fi)
{
	off_t r = file_lseek(overlay(req), fi->fh, off, whence);

	(void)ino;
	if (r < 0)
		reply_err(req, (int)r);
	else
		fuse_reply_lseek(req, r);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t off_in,
			       struct fuse_file_info *fi_in, fuse_ino_t out,
			       off_t off_out, struct fuse_file_info *fi_out,
			       size_t len, int flags)
{
	int r;
	PINNED(p, req, out)

	(void)in;
	(void)flags;
	r = kill_by_owner(req, p.inode, fi_out->fh);
	reply_count(req, r < 0 ? r
			       : file_copy_range(overlay(req), fi_in->fh, off_in,
						 fi_out->fh, off_out, len));
}

static void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
		     struct fuse_file_info *fi, unsigned flags, const void *in,
		     size_t in_size, size_t out_size)
{
	char out[64] = {0};
	struct misc_ioctl c = {
		.cmd = cmd,
		.in = in,
		.in_size = in_size,
		.out = out,
		.out_size = out_size < sizeof(out) ? out_size : sizeof(out),
	};
	int r;
	PINNED(p, req, ino)

	(void)arg;
	(void)fi;
	(void)flags;
	r = misc_ioctl(overlay(req), p.inode, &c);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_ioctl(req, 0, out, c.out_size);
}

/* Directories. */

static void op_opendir(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	(void)ino;
	if (server(req)->no_opendir) {
		reply_err(req, -ENOSYS); /* never asked again */
		return;
	}
	fi->fh = 0;
	fi->cache_readdir = 1;
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino,
			  struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	reply_err(req, 0);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
			struct fuse_file_info *fi)
{
	PINNED(p, req, ino)

	(void)fi;
	reply_err(req, misc_fsyncdir(overlay(req), p.inode, datasync));
}

struct listing {
	fuse_req_t req;
	struct inode *dir;
	char *buf;
	size_t used, room;
};

static int emit_plain(void *ctx, const struct dirsnap_entry *e)
{
	struct listing *l = ctx;
	struct stat st = {.st_ino = e->ino, .st_mode = (mode_t)DTTOIF(e->type)};
	size_t n = fuse_add_direntry(l->req, l->buf + l->used,
				     l->room - l->used, e->name, &st,
				     (off_t)e->cookie);

	if (n > l->room - l->used)
		return 1;
	l->used += n;
	return 0;
}

static bool is_dots(const char *n)
{
	return n[0] == '.' && (!n[1] || (n[1] == '.' && !n[2]));
}

/* With attributes, so that no lookup follows. */
static int emit_plus(void *ctx, const struct dirsnap_entry *e)
{
	struct listing *l = ctx;
	struct overlay *o = overlay(l->req);
	struct fuse_entry_param p = {.attr = {.st_ino = e->ino}};
	OVERLAY_PIN(found, o);
	struct stat st;
	size_t n = fuse_add_direntry_plus(l->req, NULL, 0, e->name, NULL, 0);
	int r = -ENOENT;

	if (n > l->room - l->used)
		return 1;
	p.attr.st_mode = (mode_t)DTTOIF(e->type);
	if (!is_dots(e->name)) {
		r = lookup_inode(o, l->dir, e->name, &found.inode, &st);
		if (r == -ENOENT)
			return 0; /* gone meanwhile */
	}
	if (r == 0)
		fill_entry(l->req, found.inode, &st, &p);
	l->used += fuse_add_direntry_plus(l->req, l->buf + l->used,
					  l->room - l->used, e->name, &p,
					  (off_t)e->cookie);
	return 0;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 bool plus)
{
	struct listing l = {.req = req};
	_cleanup_free_ char *buf = NULL;
	int r;
	PINNED(dir, req, ino)

	l.room = size < LISTING_MAX ? size : LISTING_MAX;
	l.dir = dir.inode;
	l.buf = buf = malloc(l.room);
	if (!buf) {
		reply_err(req, -ENOMEM);
		return;
	}
	r = dirsnap_read(overlay(req), dir.inode, (uint64_t)off, !plus,
			 plus ? emit_plus : emit_plain, &l);
	if (r < 0 && l.used == 0)
		reply_err(req, r);
	else
		fuse_reply_buf(req, buf, l.used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			   off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}

/* Extended attributes. */

static void reply_xattr(fuse_req_t req, const char *buf, size_t size, ssize_t n)
{
	if (n < 0)
		reply_err(req, (int)n);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			size_t size)
{
	_cleanup_free_ char *buf = size ? malloc(size) : NULL;
	PINNED(p, req, ino)

	reply_xattr(req, buf, size,
		    size && !buf ? -ENOMEM
				 : exattr_get(overlay(req), p.inode, name, buf,
					      size));
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	_cleanup_free_ char *buf = size ? malloc(size) : NULL;
	PINNED(p, req, ino)

	reply_xattr(req, buf, size,
		    size && !buf
			    ? -ENOMEM
			    : exattr_list(overlay(req), p.inode, buf, size));
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			const char *value, size_t size, int flags)
{
	struct exattr_value v = {value, size, flags};
	PINNED(p, req, ino)

	reply_err(req, exattr_set(overlay(req), p.inode, name, &v));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	PINNED(p, req, ino)

	reply_err(req, exattr_remove(overlay(req), p.inode, name));
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;
	int r = misc_statfs(overlay(req), &st);

	(void)ino;
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_statfs(req, &st);
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.statx = op_statx,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.open = op_open,
	.create = op_create,
	.tmpfile = op_tmpfile,
	.release = op_release,
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.ioctl = op_ioctl,
	.opendir = op_opendir,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
	.statfs = op_statfs,
};

/* The session. */

/* Where the request that this thread handles came from. */
static _Thread_local int answer_fd = -1;

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	(void)userdata;
	return writev(answer_fd >= 0 ? answer_fd : fd, iov, count);
}

static ssize_t io_read(int fd, void *buf, size_t len, void *userdata)
{
	(void)userdata;
	return read(fd, buf, len);
}

/* Only the attributes: takes no lock that a waiting request may hold. */
static void attr_stale(void *ctx, uint64_t nodeid)
{
	struct fuse_server *s = ctx;

	fuse_lowlevel_notify_inval_inode(s->se, nodeid, -1, 0);
}

struct fuse_server *fuse_server_new(struct overlay *o, int fd)
{
	static const struct fuse_custom_io io = {.writev = io_writev,
						 .read = io_read};
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->o = o;
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* libfuse closes it */
	s->ttl = o->opts->timeout < 0 ? FOREVER : o->opts->timeout;
	if (fuse_opt_add_arg(&args, "vefs") == 0 &&
	    (!o->opts->debug || fuse_opt_add_arg(&args, "-d") == 0))
		s->se = fuse_session_new(&args, &ops, sizeof(ops), s);
	fuse_opt_free_args(&args);
	if (!s->se || s->fd < 0 ||
	    fuse_session_custom_io(s->se, &io, sizeof(io), s->fd) != 0) {
		fuse_server_free(s);
		return NULL;
	}
	o->stale_ctx = s;
	o->stale = attr_stale;
	return s;
}

void fuse_server_free(struct fuse_server *s)
{
	if (!s)
		return;
	s->o->stale = NULL;
	if (s->se)
		fuse_session_destroy(s->se);
	free(s);
}

void fuse_server_handle(struct fuse_server *s, void *request, size_t len,
			int fd)
{
	struct fuse_buf buf = {.mem = request, .size = len};

	answer_fd = fd;

	fuse_session_process_buf(s->se, &buf);
}

bool fuse_server_ready(const struct fuse_server *s)
{
	return s->ready;
}

bool fuse_request_is_slow(const void *request, size_t len)
{
	const struct fuse_in_header *h = request;
	const struct fuse_read_in *read_in = (const void *)(h + 1);

	switch (h->opcode) {
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_SYNCFS:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
		return true;
	case FUSE_READ:
		return read_in->size >= SLOW_BYTES;
	default:
		return len >= SLOW_BYTES;
	}
}
