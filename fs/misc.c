/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/misc.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "fs/attr.h"
#include "fs/change.h"
#include "fs/base/cleanup.h"
#include "fs/copyup.h"
#include "fs/gate.h"
#include "fs/meta.h"

/* The inode flags that chattr and lsattr know, and who changes what. */
static const struct ioctl_known {
	unsigned cmd;
	size_t size;
	bool write;
} ioctls[] = {
	{ FS_IOC_GETFLAGS, sizeof(int), false },
	{ FS_IOC_SETFLAGS, sizeof(int), true },
	{ FS_IOC_FSGETXATTR, sizeof(struct fsxattr), false },
	{ FS_IOC_FSSETXATTR, sizeof(struct fsxattr), true },
};

static const struct ioctl_known *ioctl_find(unsigned cmd)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ioctls); i++) {
		if (ioctls[i].cmd == cmd)
			return &ioctls[i];
	}
	return NULL;
}

#define EXTENT_SIZES (FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT)
#define HINTS                                                                  \
	(EXTENT_SIZES | FS_XFLAG_COWEXTSIZE | FS_XFLAG_REALTIME |              \
	 FS_XFLAG_RTINHERIT)

/* Do both say the same of where blocks come from, and how many at once? */
static bool same_hints(const struct fsxattr *a, const struct fsxattr *b)
{
	if ((a->fsx_xflags ^ b->fsx_xflags) & HINTS)
		return false;
	if ((a->fsx_xflags & EXTENT_SIZES) && a->fsx_extsize != b->fsx_extsize)
		return false;
	return !(a->fsx_xflags & FS_XFLAG_COWEXTSIZE) ||
	       a->fsx_cowextsize == b->fsx_cowextsize;
}

/*
 * Projects are the host's, which may have a limit on this one: who is inside
 * changes neither a file's nor that it is inherited. Nor does he say how many
 * blocks XFS takes at once: that are more than a write asks for.
 */
static int keep_host(int fd, unsigned cmd, void *arg)
{
	struct fsxattr now, *x = arg;
	int flags, *f = arg;

	if (cmd == FS_IOC_SETFLAGS) {
		if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
			return -errno;
		*f = (*f & ~FS_PROJINHERIT_FL) | (flags & FS_PROJINHERIT_FL);
		return 0;
	}
	if (ioctl(fd, FS_IOC_FSGETXATTR, &now) < 0)
		return -errno;
	x->fsx_projid = now.fsx_projid;
	x->fsx_xflags = (x->fsx_xflags & ~FS_XFLAG_PROJINHERIT) |
			(now.fsx_xflags & FS_XFLAG_PROJINHERIT);
	return same_hints(&now, x) ? 0 : -EPERM;
}

int misc_ioctl(struct overlay *o, struct inode *i, const struct misc_ioctl *c)
{
	const struct ioctl_known *k = ioctl_find(c->cmd);
	_cleanup_close_ int fd = -1;
	_Alignas(8) char arg[sizeof(struct fsxattr) + sizeof(long)] = { 0 };
	struct itable_view v;
	int r;

	if (!k)
		return -ENOTTY;
	if ((k->write ? c->in_size : c->out_size) < k->size)
		return -EINVAL;
	if (k->write) {
		r = copyup(o, i, COPYUP_DATA);
		if (r < 0)
			return r;
		memcpy(arg, c->in, k->size);
	}
	itable_view(o->inodes, i, &v);
	if (!S_ISREG(v.type) && !S_ISDIR(v.type))
		return -ENOTTY;
	if (attr_is_detached(o, &v)) {
		memcpy(c->out, arg, k->size); /* no flags */
		return 0;
	}
	fd = attr_open_meta(o, &v, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (k->write)
		change_not_plain(o, i);
	r = o->gate && k->write ? keep_host(fd, c->cmd, arg) : 0;
	if (r < 0)
		return r;
	if (ioctl(fd, c->cmd, arg) < 0)
		return -errno;
	if (!k->write)
		memcpy(c->out, arg, k->size);
	return 0;
}

int misc_fsyncdir(struct overlay *o, struct inode *dir, bool datasync)
{
	struct itable_view v;
	OVERLAY_DIR(d, o);
	int r;

	itable_view(o->inodes, dir, &v);
	if (!o->upper || !(v.flags & INODE_UPPER) || v.pin >= 0)
		return 0;
	r = overlay_upper_dir(o, &v, &d.ent);
	return r < 0 ? r : upper_sync_asked(o->upper, d.ent->fd, datasync);
}

int misc_readlink(struct overlay *o, struct inode *i, char *buf, size_t size)
{
	struct itable_view v;
	META(m);
	ssize_t n;

	itable_view(o->inodes, i, &v);
	n = meta_open(o, &v, &m);
	if (n == 0)
		n = meta_readlink(&m, buf, size - 1);
	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	return 0;
}

/*
 * A container's disk is as large as its soft limit; when the host's has less
 * than is free of that, it looks smaller, never fuller.
 */
static void shrink(uint64_t *total, uint64_t *avail, uint64_t host,
		   const struct limit *l)
{
	uint64_t top = l->soft ? l->soft : l->hard, has, missing;

	if (!top)
		return;
	has = top > l->usage ? top - l->usage : 0;
	missing = has > host ? has - host : 0;
	*avail = has - missing;
	*total = top - missing;
}

static void statfs_quota(struct overlay *o, struct statvfs *f)
{
	struct ledger *l = gate_ledger(o->gate);
	uint64_t total = f->f_blocks * f->f_frsize, bavail;
	uint64_t bfree = f->f_bfree * f->f_frsize;
	/* btrfs has no number of inodes: 0, and room for any. */
	bool any = f->f_files == 0;
	uint64_t files = f->f_files, ffree = any ? UINT64_MAX : f->f_ffree;
	struct limit_rec r;

	if (!ledger_enforces(l, LEDGER_CONTAINER))
		return;
	ledger_get(l, LEDGER_CONTAINER, 0, &r);
	bavail = f->f_bavail * f->f_frsize;
	shrink(&total, &bfree, bfree, &r.of[LIMIT_SPACE]);
	shrink(&files, &ffree, ffree, &r.of[LIMIT_INODES]);
	if (any && ffree == UINT64_MAX)
		ffree = 0;
	if (any)
		f->f_favail = ffree;
	f->f_blocks = total / f->f_frsize;
	f->f_bfree = bfree / f->f_frsize;
	f->f_bavail = (bavail < bfree ? bavail : bfree) / f->f_frsize;
	f->f_files = files;
	f->f_ffree = ffree;
	f->f_favail = f->f_favail < ffree ? f->f_favail : ffree;
}

int misc_statfs(struct overlay *o, struct statvfs *out)
{
	struct layer *l = o->layers[o->upper ? REF_UPPER : 1];

	if (fstatvfs(l->ops->rootfd(l), out) < 0)
		return -errno;
	if (o->gate)
		statfs_quota(o, out);
	if (!o->upper)
		out->f_bfree = out->f_bavail = out->f_ffree = out->f_favail = 0;
	return 0;
}
