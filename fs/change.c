/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/change.h"

#include <fcntl.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/copyup.h"
#include "fs/file.h"
#include "fs/itableset.h"
#include "fs/override.h"

static int change_owner(struct overlay *o, int fd, const struct change *c)
{
	uid_t uid = c->uid ? ids_uid_in(&o->ids, c->new_uid) : (uid_t)-1;
	gid_t gid = c->gid ? ids_gid_in(&o->ids, c->new_gid) : (gid_t)-1;

	if ((c->uid && uid == IDS_INVALID) || (c->gid && gid == IDS_INVALID))
		return -EOVERFLOW;
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int change_size(struct overlay *o, const struct itable_view *v,
		       const struct change *c)
{
	_cleanup_close_ int own = -1;
	int fd = c->fh ? file_fd(o, c->fh) : -EBADF;

	if (fd < 0)
		fd = own = attr_open_meta(o, v, O_WRONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	return ftruncate(fd, c->new_size) < 0 ? -errno : 0;
}

/* Owner and mode where they are kept in an attribute. */
static int change_override(struct overlay *o, int fd, const struct change *c)
{
	struct stat st;
	int r = fdio_stat(fd, &st);

	if (r == 0)
		r = override_read(fd, &st);
	if (r < 0)
		return r;
	if (c->mode)
		st.st_mode = (st.st_mode & S_IFMT) | c->new_mode;
	if (c->uid)
		st.st_uid = ids_uid_in(&o->ids, c->new_uid);
	if (c->gid)
		st.st_gid = ids_gid_in(&o->ids, c->new_gid);
	if (st.st_uid == IDS_INVALID || st.st_gid == IDS_INVALID)
		return -EOVERFLOW;
	if (c->kill_priv && !c->mode)
		st.st_mode &= ~(mode_t)(S_ISUID | S_ISGID);
	return override_write(fd, &st);
}

static int change_owner_and_mode(struct overlay *o, int fd,
				 const struct change *c)
{
	char path[FDIO_PROC_MAX];
	int r = 0;

	if (o->opts->xattr_permissions)
		return change_override(o, fd, c);
	if (c->uid || c->gid)
		r = change_owner(o, fd, c);
	if (r == 0 && c->kill_priv)
		r = attr_kill_priv(fd);
	if (r >= 0 && c->mode && chmod(fdio_proc(path, fd), c->new_mode) < 0)
		r = -errno;
	return r < 0 ? r : 0;
}

static int apply(struct overlay *o, const struct itable_view *v, int fd,
		 const struct change *c)
{
	int r = 0;

	if (c->size)
		r = change_size(o, v, c);
	if (r == 0 && (c->uid || c->gid || c->mode || c->kill_priv))
		r = change_owner_and_mode(o, fd, c);
	if (r == 0 && (c->atime || c->mtime) &&
	    utimensat(fd, "", c->times, AT_EMPTY_PATH) < 0)
		r = -errno;
	return r;
}

void change_not_plain(struct overlay *o, struct inode *i)
{
	lock_acquire(&i->lock);
	itableset_flags_locked(o->inodes, i, 0, INODE_PLAIN | INODE_BARE);
	lock_release(&i->lock);
}

int change_attr(struct overlay *o, struct inode *i, const struct change *c,
		struct stat *st)
{
	enum copyup_want want = COPYUP_META;
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	int r;

	if (c->size)
		want = c->new_size == 0 ? COPYUP_EMPTY : COPYUP_DATA;
	r = copyup(o, i, want);
	if (r < 0)
		return r;
	if (c->mode && (c->new_mode & (S_ISUID | S_ISGID)))
		change_not_plain(o, i);
	itable_view(o->inodes, i, &v);
	fd = attr_open_meta(o, &v, O_PATH);
	if (fd < 0)
		return fd;
	r = apply(o, &v, fd, c);
	if (r < 0)
		return r;
	return attr_of_fd(o, &v, fd, st);
}

int change_nothing(struct overlay *o, struct inode *i, struct stat *st)
{
	const struct change kill = { .kill_priv = true };
	int r = attr_get(o, i, st);

	if (r < 0 || !S_ISREG(st->st_mode) ||
	    !(st->st_mode & (S_ISUID | S_ISGID)))
		return r;
	return change_attr(o, i, &kill, st);
}
