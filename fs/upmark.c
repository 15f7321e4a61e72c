/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/upmark.h"

#include <fcntl.h>
#include <limits.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/copyup.h"
#include "fs/dirsnap.h"
#include "fs/gate.h"
#include "fs/itableset.h"
#include "fs/lowerpath.h"
#include "fs/xattrs.h"

/* Any filesystem keeps a path that long, unless it is full. */
#define FITS_ALWAYS 512u

int upmark_redirect(struct overlay *o, struct inode *i, int fd)
{
	_cleanup_free_ char *path = NULL;
	int r = lowerpath_of(o, i, &path);
	size_t len;

	if (!path)
		return r < 0 ? r : -ENOMEM;
	len = strlen(path);
	if (len >= PATH_MAX)
		return -ERANGE; /* nobody would read it */
	r = xattrs_private_set(fd, XATTRS_REDIRECT, path, len);
	return r == -E2BIG || (r == -ENOSPC && len > FITS_ALWAYS) ? -ERANGE : r;
}

static int say_where(struct overlay *o, struct inode *i)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	GATE_PASS(pass, o);
	ssize_t n;
	int r;

	itable_view(o->inodes, i, &v);
	if (!(v.flags & INODE_METACOPY) || (v.flags & INODE_UNLINKED))
		return 0;
	fd = attr_open_meta(o, &v, O_PATH);
	if (fd < 0)
		return fd;
	n = xattrs_private_get(fd, XATTRS_REDIRECT, NULL, 0);
	if (n != -ENODATA)
		return n < 0 ? (int)n : 0;
	r = gate_watch(&pass, i, fd);
	if (r == 0)
		r = gate_enter(&pass, NULL, 0);
	return r < 0 ? r : upmark_redirect(o, i, fd);
}

int upmark_found(struct overlay *o, struct inode *i)
{
	int r = say_where(o, i);

	return r == -ERANGE ? copyup(o, i, COPYUP_DATA) : r;
}

int upmark_impure(struct overlay *o, struct inode *dir)
{
	struct itable_view v;
	OVERLAY_DIR(d, o);
	GATE_PASS(pass, o);
	int r;

	if (itable_flags(o->inodes, dir) & INODE_IMPURE)
		return 0;
	itable_view(o->inodes, dir, &v);
	r = overlay_upper_dir(o, &v, &d.ent);
	if (r == 0)
		r = gate_watch(&pass, dir, d.ent->fd);
	if (r == 0)
		r = gate_enter(&pass, NULL, 0);
	if (r == 0)
		r = xattrs_private_set(d.ent->fd, XATTRS_IMPURE, "y", 1);
	if (r < 0)
		return r;
	lock_acquire(&dir->lock);
	itableset_flags_locked(o->inodes, dir, INODE_IMPURE, 0);
	lock_release(&dir->lock);
	dirsnap_changed(o, dir);
	return 0;
}
