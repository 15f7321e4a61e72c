/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fuseattr.h"

#include <limits.h>

#include "fs/attr.h"
#include "fs/change.h"
#include "fs/base/cleanup.h"
#include "fs/exattr.h"
#include "fs/hostlimit.h"
#include "fs/misc.h"

/*
 * Whom a request about `i` is for: where another nodeid has its identity by
 * now (INODE_SPLIT), that one, if the kernel knows it. It is what the quota
 * counts, and what is opened; *twin has it for a scope.
 */
static struct inode *acting(struct inode *i, struct overlay_pin *twin)
{
	struct itable *t = twin->o->inodes;
	struct itable_view v;

	if (!(itable_flags(t, i) & INODE_SPLIT))
		return i;
	itable_view(t, i, &v);
	twin->inode = itable_find(t, &v.upper);
	return twin->inode ? twin->inode : i;
}

/* The kernel has changed it by another nodeid than this one's. */
static void tell_twin(const struct overlay_pin *twin)
{
	if (twin->inode)
		overlay_attr_stale(twin->o, twin->inode);
}

void fuseattr_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct overlay *o = fusereq_overlay(req);
	OVERLAY_PIN(twin, o);
	struct stat st;
	int r;
	FUSEREQ_PIN(p, req, ino)

	(void)fi;
	r = attr_get(o, acting(p.inode, &twin), &st);
	if (r < 0)
		fusereq_err(req, r);
	else
		fusereq_attr(req, p.inode, &st);
}

void fuseattr_statx(fuse_req_t req, fuse_ino_t ino, int flags, int mask,
		    struct fuse_file_info *fi)
{
	struct overlay *o = fusereq_overlay(req);
	OVERLAY_PIN(twin, o);
	struct statx sx;
	int r;
	FUSEREQ_PIN(p, req, ino)

	(void)fi;
	(void)mask;
	r = attr_statx(o, acting(p.inode, &twin), &sx);
	if (r < 0)
		fusereq_err(req, r);
	else
		fuse_reply_statx(req, flags, &sx, fusereq_ttl(req, p.inode));
}

static struct timespec time_of(int valid, int set, int now,
			       const struct timespec *t)
{
	if (!(valid & set))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	return *t;
}

static bool is_empty(const struct change *c)
{
	return !c->mode && !c->uid && !c->gid && !c->size && !c->atime &&
	       !c->mtime && !c->kill_priv;
}

void fuseattr_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		      int valid, struct fuse_file_info *fi)
{
	struct change c = {
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
	struct overlay *o = fusereq_overlay(req);
	OVERLAY_PIN(twin, o);
	struct inode *i;
	struct stat st;
	int r;
	FUSEREQ_PIN(p, req, ino)

	c.times[0] = time_of(valid, FUSE_SET_ATTR_ATIME,
			     FUSE_SET_ATTR_ATIME_NOW, &attr->st_atim);
	c.times[1] = time_of(valid, FUSE_SET_ATTR_MTIME,
			     FUSE_SET_ATTR_MTIME_NOW, &attr->st_mtim);
	if (c.size && fi)
		c.fh = fi->fh;
	i = acting(p.inode, &twin);
	r = is_empty(&c) ? change_nothing(o, i, &st)
			 : HOSTLIMIT_TRY(o, change_attr(o, i, &c, &st));
	tell_twin(&twin);
	if (r < 0)
		fusereq_err(req, r);
	else
		fusereq_attr(req, p.inode, &st);
}

void fuseattr_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX];
	int r;
	FUSEREQ_PIN(p, req, ino)

	r = misc_readlink(fusereq_overlay(req), p.inode, target,
			  sizeof(target));
	if (r < 0)
		fusereq_err(req, r);
	else
		fuse_reply_readlink(req, target);
}

/* Extended attributes. */

static void reply_xattr(fuse_req_t req, const char *buf, size_t size, ssize_t n)
{
	if (n < 0)
		fusereq_err(req, (int)n);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

void fuseattr_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		       size_t size)
{
	_cleanup_free_ char *buf = size ? malloc(size) : NULL;
	FUSEREQ_PIN(p, req, ino)

	reply_xattr(req, buf, size,
		    size && !buf ? -ENOMEM
				 : exattr_get(fusereq_overlay(req), p.inode,
					      name, buf, size));
}

void fuseattr_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	_cleanup_free_ char *buf = size ? malloc(size) : NULL;
	FUSEREQ_PIN(p, req, ino)

	reply_xattr(req, buf, size,
		    size && !buf ? -ENOMEM
				 : exattr_list(fusereq_overlay(req), p.inode,
					       buf, size));
}

void fuseattr_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		       const char *value, size_t size, int flags)
{
	struct exattr_value v = {
		.data = value,
		.size = size,
		.flags = flags,
		.kill_sgid = fusereq_acl_kills_sgid,
	};
	struct overlay *o = fusereq_overlay(req);
	OVERLAY_PIN(twin, o);
	struct inode *i;
	int r;
	FUSEREQ_PIN(p, req, ino)

	i = acting(p.inode, &twin);
	r = HOSTLIMIT_TRY(o, exattr_set(o, i, name, &v));
	tell_twin(&twin);
	fusereq_err(req, r);
}

void fuseattr_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct overlay *o = fusereq_overlay(req);
	OVERLAY_PIN(twin, o);
	struct inode *i;
	int r;
	FUSEREQ_PIN(p, req, ino)

	i = acting(p.inode, &twin);
	r = HOSTLIMIT_FORCE(o, exattr_remove(o, i, name));
	tell_twin(&twin);
	fusereq_err(req, r);
}

void fuseattr_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;
	int r = misc_statfs(fusereq_overlay(req), &st);

	(void)ino;
	if (r < 0)
		fusereq_err(req, r);
	else
		fuse_reply_statfs(req, &st);
}
