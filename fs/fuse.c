/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fuse.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>

#include "fs/backing.h"
#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/log.h"
#include "fs/create.h"
#include "fs/fuseattr.h"
#include "fs/fusedir.h"
#include "fs/fusefile.h"
#include "fs/fusereq.h"
#include "fs/fusewire.h"
#include "fs/gate.h"
#include "fs/hostlimit.h"
#include "fs/itablecount.h"
#include "fs/itablerecover.h"
#include "fs/link.h"
#include "fs/lookup.h"
#include "fs/remove.h"
#include "fs/rename.h"

#define FOREVER 1e9
#define LONG_BYTES 262144u

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
	conn->max_write = FUSE_WRITE_MAX;
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
	itablecount_forget(fusereq_overlay(req)->inodes, ino, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *all)
{
	for (size_t i = 0; i < count; i++)
		itablecount_forget(fusereq_overlay(req)->inodes, all[i].ino,
				   all[i].nlookup);
	fuse_reply_none(req);
}

static void make(fuse_req_t req, fuse_ino_t parent, const char *name,
		 const struct create_spec *spec)
{
	struct create_result res = { .inode = NULL };
	struct overlay *o = fusereq_overlay(req);
	int r;
	FUSEREQ_PIN(dir, req, parent)

	r = HOSTLIMIT_TRY(o, create(o, dir.inode, name, spec, &res));
	if (r < 0) {
		fusereq_err(req, r);
	} else {
		OVERLAY_PIN(p, o);

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
	struct overlay *o = fusereq_overlay(req);
	struct stat st;
	int r;
	FUSEREQ_PIN(p, req, ino)
	FUSEREQ_PIN(dir, req, parent)

	r = HOSTLIMIT_TRY(o, link_name(o, p.inode, dir.inode, name, &st));
	if (r < 0)
		fusereq_err(req, r);
	else
		fusereq_entry(req, p.inode, &st);
}

static void remove_from(fuse_req_t req, fuse_ino_t parent, const char *name,
			bool is_dir)
{
	struct overlay *o = fusereq_overlay(req);
	FUSEREQ_PIN(dir, req, parent)

	fusereq_err(req, HOSTLIMIT_FORCE(o, remove_name(o, dir.inode, name,
							is_dir)));
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_from(req, parent, name, false);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_from(req, parent, name, true);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t newparent, const char *newname, unsigned flags)
{
	struct rename_spec spec = { .from = name,
				    .to = newname,
				    .flags = flags,
				    .uid = fuse_req_ctx(req)->uid,
				    .gid = fuse_req_ctx(req)->gid };
	struct overlay *o = fusereq_overlay(req);
	FUSEREQ_PIN(from, req, parent)
	FUSEREQ_PIN(to, req, newparent)

	spec.from_dir = from.inode;
	spec.to_dir = to.inode;
	fusereq_err(req, HOSTLIMIT_FORCE(o, rename_name(o, &spec)));
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

static ssize_t total(const struct iovec *iov, int count)
{
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += iov[i].iov_len;
	return (ssize_t)n;
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	const struct fuse_out_header *h = iov[0].iov_base;
	const struct slot *slot = slot_current();
	struct fuse_server *s = userdata;

	if (s->silent)
		return total(iov, count);
	/* Not the answer to an INTERRUPT, nor a notification. */
	if (slot && slot->unique == (h->unique & ~FUSEWIRE_AGAIN) &&
	    h->unique != 0 && h->error == 0)
		slot_commit(s->o, iov, count);
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

struct fuse_server *fuse_server_new(struct overlay *o, struct slot_table *slots,
				    int fd)
{
	static const struct fuse_custom_io io = { .writev = io_writev,
						  .read = io_read };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->o = o;
	s->slots = slots;
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

static void process(struct fuse_server *s, void *request, size_t len, int fd)
{
	struct fuse_buf buf = { .mem = request, .size = len };

	answer_fd = fd;
	gate_say_nothing();
	fusereq_acl_kills_sgid = acl_kills_sgid(request, len);
	fuse_session_process_buf(s->se, &buf);
}

int fuse_server_init(struct fuse_server *s, void *init, size_t len, bool answer)
{
	s->silent = !answer;
	process(s, init, len, s->fd);
	s->silent = false;
	return s->ready ? 0 : -EPROTO;
}

int fuse_server_fd(const struct fuse_server *s)
{
	return s->fd;
}

/* Doing it again once more than this is not tried. */
#define FAULTS_MOST 3

/* It has killed us before. The kernel must have some answer. */
static void refuse(struct fuse_server *s, const struct fusewire_request *q,
		   int fd)
{
	log_error("%s of inode %llu has killed this process %u times: refused "
		  "with EIO",
		  fusewire_name(q->opcode), (unsigned long long)q->nodeid,
		  slot_faults(s->slots, q->unique));
	if (!fusewire_is_silent(q->opcode))
		fusewire_refuse(fd, q->unique | FUSEWIRE_AGAIN, -EIO);
}

/* What changes names, or what the kernel counts. */
static bool needs_slot(uint32_t opcode)
{
	static const uint64_t which =
		1ull << FUSE_LOOKUP | 1ull << FUSE_CREATE | 1ull << FUSE_MKNOD |
		1ull << FUSE_MKDIR | 1ull << FUSE_SYMLINK | 1ull << FUSE_LINK |
		1ull << FUSE_UNLINK | 1ull << FUSE_RMDIR | 1ull << FUSE_RENAME |
		1ull << FUSE_RENAME2 | 1ull << FUSE_OPEN |
		1ull << FUSE_SETXATTR | 1ull << FUSE_REMOVEXATTR |
		1ull << FUSEWIRE_TMPFILE;

	return opcode < 64 && (which >> opcode & 1);
}

void fuse_server_handle(struct fuse_server *s, void *request, size_t len,
			int fd)
{
	struct slot_now *now = slot_now(s->slots);
	struct fusewire_request q;

	if (!fusewire_parse(request, len, &q))
		return;
	if (now) {
		now->opcode = q.opcode;
		now->unique = q.unique;
	}
	crash_operation(q.opcode);
	if (needs_slot(q.opcode))
		slot_begin(s->slots, q.unique, q.opcode, fd, q.again);
	if (q.again && slot_faults(s->slots, q.unique) >= FAULTS_MOST)
		refuse(s, &q, fd);
	else
		process(s, request, len, fd);
	slot_end();
	crash_operation(0);
	if (now) {
		now->answered++;
		now->unique = 0;
	}
}

/* What the kernel forgot. */

#define PROBES 256
#define PROBE_AGE 2 /* seconds without being named to the kernel */

static void probe_one(struct fuse_server *s,
		      const struct itablerecover_suspect *p)
{
	if (fusewire_knows(s->fd, p->nodeid) != 0)
		return;
	if (!slot_is_telling(s->slots, p->nodeid))
		itablerecover_disown(s->o->inodes, p);
}

bool fuse_server_probe(struct fuse_server *s, uint32_t *cursor)
{
	struct itablerecover_suspect some[PROBES];
	bool young = false;
	unsigned n;

	if (!itablerecover_has_suspects(s->o->inodes) && *cursor == 0)
		return false;
	if (atomic_load(&s->listing) > 0) {
		*cursor = 0;
		return true;
	}
	n = itablerecover_suspects(s->o->inodes, cursor, PROBE_AGE, &young,
				   some, PROBES);
	for (unsigned i = 0; i < n; i++)
		probe_one(s, &some[i]);
	if (n < PROBES)
		*cursor = 0;
	return n == PROBES || young;
}

enum loop_length fuse_request_length(const void *request, size_t len)
{
	const struct fuse_in_header *h = request;
	const struct fuse_read_in *read_in = (const void *)(h + 1);
	const struct fuse_write_in *write_in = (const void *)(h + 1);

	switch (h->opcode) {
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_SYNCFS:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
		return LOOP_SLOW;
	case FUSE_READ:
		return read_in->size >= LONG_BYTES ? LOOP_SLOW : LOOP_SHORT;
	case FUSE_WRITE:
		if (write_in->flags & O_DSYNC)
			return LOOP_SLOW;
		return len >= LONG_BYTES ? LOOP_DATA : LOOP_SHORT;
	default:
		return len >= LONG_BYTES ? LOOP_SLOW : LOOP_SHORT;
	}
}
