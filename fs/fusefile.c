/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fusefile.h"

#include <sys/uio.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/create.h"
#include "fs/file.h"
#include "fs/hostlimit.h"
#include "fs/itablecount.h"
#include "fs/misc.h"

static void fill_opened(struct fuse_file_info *fi, const struct file_opened *f)
{
	fi->fh = f->fh;
	fi->backing_id = f->backing_id;
	fi->keep_cache = f->keep_cache;
	fi->direct_io = f->direct;
	fi->noflush = 1;
}

void fusefile_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct overlay *o = fusereq_overlay(req);
	struct file_opened f;
	int r;
	FUSEREQ_PIN(p, req, ino)

	r = HOSTLIMIT_TRY(o, file_open(o, p.inode, fi->flags, fi->kill_suidgid,
				       &f));
	if (r < 0) {
		fusereq_err(req, r);
		return;
	}
	fill_opened(fi, &f);
	slot_open(f.fh);
	if (fuse_reply_open(req, fi) != 0)
		file_release(o, f.fh);
}

static void reply_create(fuse_req_t req, struct create_result *res,
			 struct fuse_file_info *fi)
{
	struct overlay *o = fusereq_overlay(req);
	struct fuse_entry_param e;
	struct file_opened f;
	OVERLAY_PIN(p, o);
	int r;

	p.inode = res->inode;
	r = file_adopt(o, res->inode, fi->flags, res->fd, &f);
	if (r < 0) {
		fusereq_err(req, r);
		return;
	}
	fill_opened(fi, &f);
	slot_open(f.fh);
	fusereq_fill(req, res->inode, &res->st, &e);
	if (fuse_reply_create(req, &e, fi) != 0) {
		file_release(o, f.fh);
		itablecount_forget(o->inodes, e.ino, 1);
	}
}

/* `name` NULL: a file without one. */
static void make(fuse_req_t req, fuse_ino_t parent, const char *name,
		 mode_t mode, struct fuse_file_info *fi)
{
	struct create_spec spec = fusereq_spec(req, S_IFREG | (mode & 07777));
	struct overlay *o = fusereq_overlay(req);
	struct create_result res;
	int r;
	FUSEREQ_PIN(dir, req, parent)

	spec.open = true;
	r = HOSTLIMIT_TRY(o, name ? create(o, dir.inode, name, &spec, &res)
				  : create_unnamed(o, dir.inode, &spec, &res));
	if (r < 0)
		fusereq_err(req, r);
	else
		reply_create(req, &res, fi);
}

void fusefile_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, struct fuse_file_info *fi)
{
	make(req, parent, name, mode, fi);
}

void fusefile_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode,
		      struct fuse_file_info *fi)
{
	make(req, parent, NULL, mode, fi);
}

void fusefile_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	file_release(fusereq_overlay(req), fi->fh);
	fusereq_err(req, 0);
}

void fusefile_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		   struct fuse_file_info *fi)
{
	_cleanup_free_ char *buf = malloc(size ? size : 1);
	ssize_t n = -ENOMEM;

	(void)ino;
	if (buf)
		n = file_read(fusereq_overlay(req), fi->fh, buf, size, off);
	if (n < 0)
		fusereq_err(req, (int)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

static void reply_count(fuse_req_t req, ssize_t n)
{
	if (n < 0)
		fusereq_err(req, (int)n);
	else
		fuse_reply_write(req, (size_t)n);
}

/*
 * Of a page that is written back the kernel does not look at how much of it
 * was: all of it, or an error.
 */
static ssize_t write_page(struct overlay *o, uint64_t fh, const char *buf,
			  size_t size, off_t off)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = file_write(o, fh, buf + done, size - done,
				       off + (off_t)done, 0);

		if (n <= 0)
			return n < 0 ? n : -EIO;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* By O_SYNC, O_DSYNC, or by pwritev2(2): the kernel leaves it to us. */
static int sync_of(const struct overlay *o, int flags)
{
	if (!(flags & O_DSYNC) || o->opts->fsync == OPTIONS_FSYNC_NONE)
		return 0;
	return (flags & O_SYNC) == O_SYNC ? RWF_SYNC : RWF_DSYNC;
}

void fusefile_write(fuse_req_t req, fuse_ino_t ino, const char *buf,
		    size_t size, off_t off, struct fuse_file_info *fi)
{
	struct overlay *o = fusereq_overlay(req);
	ssize_t n;
	int r = 0;
	FUSEREQ_PIN(p, req, ino)

	if (fi->kill_suidgid)
		r = file_kill_priv(o, p.inode, fi->fh);
	/* The kernel does not expect the mode to change by a write. */
	if (r > 0)
		overlay_attr_stale(o, p.inode);
	n = r;
	if (r >= 0)
		n = fi->writepage ? write_page(o, fi->fh, buf, size, off)
				  : file_write(o, fi->fh, buf, size, off,
					       sync_of(o, fi->flags));
	reply_count(req, n);
}

void fusefile_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		    struct fuse_file_info *fi)
{
	(void)ino;
	/* -ENOSYS: the kernel asks no more and answers for us. */
	if (fusereq_overlay(req)->opts->fsync == OPTIONS_FSYNC_NONE)
		fusereq_err(req, -ENOSYS);
	else
		fusereq_err(req,
			    file_fsync(fusereq_overlay(req), fi->fh, datasync));
}

/* For requests that do not say whether their caller may keep setuid. */
static int kill_by_owner(fuse_req_t req, struct inode *i, uint64_t fh)
{
	struct overlay *o = fusereq_overlay(req);
	int r = 0;

	if (ids_uid_in(&o->ids, fuse_req_ctx(req)->uid) != 0)
		r = file_kill_priv(o, i, fh);
	if (r > 0)
		overlay_attr_stale(o, i);
	return r < 0 ? r : 0;
}

void fusefile_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
			off_t len, struct fuse_file_info *fi)
{
	int r;
	FUSEREQ_PIN(p, req, ino)

	r = kill_by_owner(req, p.inode, fi->fh);
	if (r == 0)
		r = file_fallocate(fusereq_overlay(req), fi->fh, mode, off,
				   len);
	fusereq_err(req, r);
}

void fusefile_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
		    struct fuse_file_info *fi)
{
	off_t r = file_lseek(fusereq_overlay(req), fi->fh, off, whence);

	(void)ino;
	if (r < 0)
		fusereq_err(req, (int)r);
	else
		fuse_reply_lseek(req, r);
}

/* NOLINTNEXTLINE(readability-function-size): libfuse's signature */
void fusefile_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t off_in,
			      struct fuse_file_info *fi_in, fuse_ino_t out,
			      off_t off_out, struct fuse_file_info *fi_out,
			      size_t len, int flags)
{
	int r;
	FUSEREQ_PIN(p, req, out)

	(void)in;
	(void)flags;
	r = kill_by_owner(req, p.inode, fi_out->fh);
	reply_count(req,
		    r < 0 ? r
			  : file_copy_range(fusereq_overlay(req), fi_in->fh,
					    off_in, fi_out->fh, off_out, len));
}

/* NOLINTNEXTLINE(readability-function-size): libfuse's signature */
void fusefile_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
		    struct fuse_file_info *fi, unsigned flags, const void *in,
		    size_t in_size, size_t out_size)
{
	char out[64] = { 0 };
	struct misc_ioctl c = {
		.cmd = cmd,
		.in = in,
		.in_size = in_size,
		.out = out,
		.out_size = out_size < sizeof(out) ? out_size : sizeof(out),
	};
	int r;
	FUSEREQ_PIN(p, req, ino)

	(void)arg;
	(void)fi;
	(void)flags;
	r = misc_ioctl(fusereq_overlay(req), p.inode, &c);
	if (r < 0)
		fusereq_err(req, r);
	else
		fuse_reply_ioctl(req, 0, out, c.out_size);
}
