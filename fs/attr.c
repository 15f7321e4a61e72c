/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/attr.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/override.h"
#include "fs/itableset.h"

void attr_shape(const struct overlay *o, const struct attr_shape *s,
		struct stat *st)
{
	st->st_ino = s->ino;
	if (S_ISDIR(st->st_mode)) {
		if (s->n_lower > 0)
			st->st_nlink = 1;
	} else if (s->flags & INODE_INDEXED) {
		st->st_nlink =
			(nlink_t)((long)st->st_nlink + (long)s->link_delta);
	}
	if (s->flags & INODE_UNLINKED)
		st->st_nlink = 0;
	if (S_ISCHR(st->st_mode) && st->st_rdev == OVERLAY_GUEST_WHITEOUT)
		st->st_rdev = 0;
	ids_stat_out(&o->ids, st);
}

void attr_shape_view(struct overlay *o, const struct itable_view *v,
		     struct stat *st)
{
	struct attr_shape s = {
		.ino = v->ino,
		.flags = v->flags,
		.link_delta = v->link_delta,
		.n_lower = v->n_lower,
	};

	attr_shape(o, &s, st);
}

/* The ref whose inode has the metadata. */
static void meta_ref(const struct itable_view *v, struct ref *r)
{
	if (v->flags & INODE_UPPER)
		*r = v->upper;
	else
		itable_view_lower(v, 0, r);
}

int attr_open_meta(struct overlay *o, const struct itable_view *v, int flags)
{
	struct layer *l;
	struct ref r;

	if (v->pin >= 0)
		return fdio_reopen(v->pin, flags);
	meta_ref(v, &r);
	l = overlay_layer(o, &r);
	return l->ops->open(l, &r, flags);
}

static int lower_blocks(struct overlay *o, const struct itable_view *v,
			struct stat *st)
{
	struct stat low;
	struct layer *l;
	struct ref r;
	int err;

	if (!(v->flags & INODE_METACOPY) || v->n_lower == 0)
		return 0;
	itable_view_data(v, &r);
	l = overlay_layer(o, &r);
	err = l->ops->stat(l, &r, &low);
	if (err == 0)
		st->st_blocks = low.st_blocks;
	return err;
}

int attr_override(struct overlay *o, const struct ref *ref, struct stat *st)
{
	_cleanup_close_ int fd = -1;
	struct layer *l = overlay_layer(o, ref);

	if (!o->opts->xattr_permissions || l->ops->xattr)
		return 0;
	fd = l->ops->open(l, ref, O_PATH);
	return fd < 0 ? fd : override_read(fd, st);
}

static int get_by_view(struct overlay *o, const struct itable_view *v,
		       struct stat *st)
{
	struct layer *l;
	struct ref ref;
	int r;

	if (v->pin >= 0) {
		r = fdio_stat(v->pin, st);
	} else {
		meta_ref(v, &ref);
		l = overlay_layer(o, &ref);
		r = l->ops->stat(l, &ref, st);
		if (r == 0)
			r = attr_override(o, &ref, st);
	}
	if (r == 0)
		r = lower_blocks(o, v, st);
	if (r == 0)
		attr_shape_view(o, v, st);
	return r;
}

int attr_get(struct overlay *o, struct inode *i, struct stat *st)
{
	struct itable_view v;

	itable_view(o->inodes, i, &v);
	return get_by_view(o, &v, st);
}

bool attr_is_detached(const struct overlay *o, const struct itable_view *v)
{
	struct ref r;

	if (v->pin >= 0)
		return false;
	meta_ref(v, &r);
	return overlay_layer(o, &r)->ops->xattr;
}

/* What a stat says, for those that have no more to say. */
static void statx_of(const struct stat *st, struct statx *sx)
{
	memset(sx, 0, sizeof(*sx));
	sx->stx_mask = STATX_BASIC_STATS;
	sx->stx_blksize = (uint32_t)st->st_blksize;
	sx->stx_size = (uint64_t)st->st_size;
	sx->stx_atime.tv_sec = st->st_atim.tv_sec;
	sx->stx_atime.tv_nsec = (uint32_t)st->st_atim.tv_nsec;
	sx->stx_mtime.tv_sec = st->st_mtim.tv_sec;
	sx->stx_mtime.tv_nsec = (uint32_t)st->st_mtim.tv_nsec;
	sx->stx_ctime.tv_sec = st->st_ctim.tv_sec;
	sx->stx_ctime.tv_nsec = (uint32_t)st->st_ctim.tv_nsec;
}

/* Both kinds of one open descriptor: opening is most of what a stat costs. */
static int statx_by_view(struct overlay *o, const struct itable_view *v,
			 struct stat *st, struct statx *sx)
{
	_cleanup_close_ int fd = attr_open_meta(o, v, O_PATH);
	int r;

	if (fd < 0)
		return fd;
	r = attr_of_fd(o, v, fd, st);
	if (r < 0)
		return r;
	return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME,
		     sx) < 0
		       ? -errno
		       : 0;
}

int attr_statx(struct overlay *o, struct inode *i, struct statx *sx)
{
	struct itable_view v;
	struct stat st;
	int r;

	itable_view(o->inodes, i, &v);
	if (attr_is_detached(o, &v)) {
		r = get_by_view(o, &v, &st);
		if (r == 0)
			statx_of(&st, sx);
	} else {
		r = statx_by_view(o, &v, &st, sx);
	}
	if (r < 0)
		return r;
	sx->stx_ino = st.st_ino;
	sx->stx_nlink = (uint32_t)st.st_nlink;
	sx->stx_mode = (uint16_t)st.st_mode;
	sx->stx_uid = st.st_uid;
	sx->stx_gid = st.st_gid;
	sx->stx_blocks = (uint64_t)st.st_blocks;
	sx->stx_rdev_major = major(st.st_rdev);
	sx->stx_rdev_minor = minor(st.st_rdev);
	return 0;
}

int attr_of_fd(struct overlay *o, const struct itable_view *v, int fd,
	       struct stat *st)
{
	int r = fdio_stat(fd, st);

	if (r == 0 && o->opts->xattr_permissions)
		r = override_read(fd, st);
	if (r == 0)
		r = lower_blocks(o, v, st);
	if (r == 0)
		attr_shape_view(o, v, st);
	return r;
}

int attr_kill_priv(int fd)
{
	char path[FDIO_PROC_MAX];
	struct stat st;
	mode_t mode;
	ssize_t n;
	int r = fdio_stat(fd, &st);

	if (r < 0)
		return r;
	mode = st.st_mode & 07777 & ~(mode_t)S_ISUID;
	if (mode & S_IXGRP)
		mode &= ~(mode_t)S_ISGID;
	if (mode != (st.st_mode & 07777) &&
	    chmod(fdio_proc(path, fd), mode) < 0)
		return -errno;
	/* Asked first: a file of chattr +a refuses to remove what is not there. */
	n = xattrio_get(fd, "security.capability", NULL, 0);
	if (n >= 0)
		n = xattrio_remove(fd, "security.capability");
	if (n < 0 && n != -ENODATA && n != -EOPNOTSUPP)
		return (int)n;
	return n == 0 || mode != (st.st_mode & 07777);
}
