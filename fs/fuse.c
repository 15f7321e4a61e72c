/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fuse.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>

#include "fs/backing.h"
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/create.h"
#include "fs/fuseattr.h"
#include "fs/fusedir.h"
#include "fs/fusefile.h"
#include "fs/fusereq.h"
#include "fs/link.h"
#include "fs/lookup.h"
#include "fs/remove.h"
#include "fs/rename.h"

#define FOREVER 1e9
#define SLOW_BYTES 262144u

/* The connection. */

static const uint64_t wanted[] = {
	FUSE_CAP_ASYNC_READ,	  FUSE_CAP_ATOMIC_O_TRUNC,
	FUSE_CAP_PARALLEL_DIROPS, FUSE_CAP_HANDLE_KILLPRIV_V2,
	FUSE_CAP_CACHE_SYMLINKS,  FUSE_CAP_NO_OPENDIR_SUPPORT,
	FUSE_CAP_READDIRPLUS,	  FUSE_CAP_READDIRPLUS_AUTO,
	FUSE_CAP_IOCTL_DIR,	  FUSE_CAP_ASYNC_DIO,
	FUSE_CAP_DONT_MASK,	  FUSE_CAP_DIRECT_IO_ALLOW_MMAP,
	FUSE_CAP_SETXATTR_EXT,
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
	s->no_opendir =
		fuse_get_feature_flag(conn, FUSE_CAP_NO_OPENDIR_SUPPORT);
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
	struct overlay *o = fusereq_overlay(req);
	OVERLAY_PIN(found, o);
	struct stat st;
	int r;
	FUSEREQ_PIN(dir, req, parent)

	r = lookup_inode(o, dir.inode, name, &found.inode, &st);
	if (r == -ENOENT) {
		struct fuse_entry_param e = {
			.entry_timeout = fusereq_server(req)->ttl
		};

		fuse_reply_entry(req, &e);
	} else if (r < 0) {
		fusereq_err(req, r);
	} else {
		fusereq_entry(req, found.inode, &st);
	}
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	itable_forget(fusereq_overlay(req)->inodes, ino, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *all)
{
	for (size_t i = 0; i < count; i++)
		itable_forget(fusereq_overlay(req)->inodes, all[i].ino,
			      all[i].nlookup);
	fuse_reply_none(req);
}

static void make(fuse_req_t req, fuse_ino_t parent, const char *name,
		 const struct create_spec *spec)
{
	struct create_result res = { .inode = NULL };
	int r;
	FUSEREQ_PIN(dir, req, parent)

	r = create(fusereq_overlay(req), dir.inode, name, spec, &res);
	if (r < 0) {
		fusereq_err(req, r);
	} else {
		OVERLAY_PIN(p, fusereq_overlay(req));

		p.inode = res.inode;
		fusereq_entry(req, res.inode, &res.st);
	}
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	struct create_spec spec = fusereq_spec(req, mode);

	spec.rdev = rdev;
	make(req, parent, name, &spec);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	struct create_spec spec = fusereq_spec(req, mode | S_IFDIR);

	make(req, parent, name, &spec);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	struct create_spec spec = fusereq_spec(req, S_IFLNK | 0777);

	spec.target = target;
	make(req, parent, name, &spec);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
		    const char *name)
{
	struct stat st;
	int r;
	FUSEREQ_PIN(p, req, ino)
	FUSEREQ_PIN(dir, req, parent)

	r = link_name(fusereq_overlay(req), p.inode, dir.inode, name, &st);
	if (r < 0)
		fusereq_err(req, r);
	else
		fusereq_entry(req, p.inode, &st);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	FUSEREQ_PIN(dir, req, parent)

	fusereq_err(req,
		    remove_name(fusereq_overlay(req), dir.inode, name, false));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	FUSEREQ_PIN(dir, req, parent)

	fusereq_err(req,
		    remove_name(fusereq_overlay(req), dir.inode, name, true));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t newparent, const char *newname, unsigned flags)
{
	struct rename_spec spec = { .from = name,
				    .to = newname,
				    .flags = flags };
	FUSEREQ_PIN(from, req, parent)
	FUSEREQ_PIN(to, req, newparent)

	spec.from_dir = from.inode;
	spec.to_dir = to.inode;
	fusereq_err(req, rename_name(fusereq_overlay(req), &spec));
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = fuseattr_getattr,
	.statx = fuseattr_statx,
	.setattr = fuseattr_setattr,
	.readlink = fuseattr_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.open = fusefile_open,
	.create = fusefile_create,
	.tmpfile = fusefile_tmpfile,
	.release = fusefile_release,
	.read = fusefile_read,
	.write = fusefile_write,
	.fsync = fusefile_fsync,
	.fallocate = fusefile_fallocate,
	.lseek = fusefile_lseek,
	.copy_file_range = fusefile_copy_file_range,
	.ioctl = fusefile_ioctl,
	.opendir = fusedir_opendir,
	.releasedir = fusedir_releasedir,
	.fsyncdir = fusedir_fsyncdir,
	.readdir = fusedir_readdir,
	.readdirplus = fusedir_readdirplus,
	.getxattr = fuseattr_getxattr,
	.listxattr = fuseattr_listxattr,
	.setxattr = fuseattr_setxattr,
	.removexattr = fuseattr_removexattr,
	.statfs = fuseattr_statfs,
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
	static const struct fuse_custom_io io = { .writev = io_writev,
						  .read = io_read };
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

/* libfuse's setxattr operation does not pass this on. */
static bool acl_kills_sgid(const void *request, size_t len)
{
	const struct fuse_in_header *h = request;
	const struct fuse_setxattr_in *in = (const void *)(h + 1);

	return h->opcode == FUSE_SETXATTR && len >= sizeof(*h) + sizeof(*in) &&
	       (in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID);
}

void fuse_server_handle(struct fuse_server *s, void *request, size_t len,
			int fd)
{
	struct fuse_buf buf = { .mem = request, .size = len };

	answer_fd = fd;
	fusereq_acl_kills_sgid = acl_kills_sgid(request, len);
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
