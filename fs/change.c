/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/change.h"

#include <fcntl.h>
#include <time.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/copyup.h"
#include "fs/datafill.h"
#include "fs/file.h"
#include "fs/gate.h"
#include "fs/gatefile.h"
#include "fs/itableset.h"
#include "fs/override.h"
#include "fs/turn.h"

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

/* The descriptor to truncate by; *own is closed by the caller. */
static int open_size(struct overlay *o, const struct itable_view *v,
		     const struct change *c, int *own)
{
	int fd = c->fh ? file_fd(o, c->fh) : -EBADF;

	if (fd < 0)
		fd = *own = attr_open_meta(o, v, O_WRONLY | O_NONBLOCK);
	return fd;
}

int change_truncate(struct overlay *o, struct inode *i, int fd, off_t size)
{
	struct stat st;
	int r = size == 0 ? copyup(o, i, COPYUP_EMPTY) : 0;

	if (r == 0)
		r = gatefile_truncate(o, i, fd, size);
	/* The copy-up has emptied it: what is left is nothing. */
	if (size == 0 && fdio_stat(fd, &st) == 0 && st.st_size == 0)
		return 0;
	return r;
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

/* Somebody else will have what it takes: alone, so that nothing comes between. */
static int ask_owner(struct gate_pass *p, struct inode *i, int fd,
		     const struct change *c)
{
	struct overlay *o = p->o;
	struct charge_owner to;
	struct charge now;
	int r = gate_watch(p, i, fd);

	if (r < 0 || !o->gate || !(c->uid || c->gid))
		return r;
	r = gate_enter_alone(p);
	if (r == 0)
		r = gate_look(o, fd, &now);
	if (r < 0)
		return r;
	to = now.owner;
	if (c->uid)
		to.uid = ids_uid_in(&o->ids, c->new_uid);
	if (c->gid)
		to.gid = ids_gid_in(&o->ids, c->new_gid);
	return gate_may_move(o, now.owner, to, now.space);
}

/* Capabilities that a copy of the data may have kept aside fall, too. */
static bool may_keep_caps(struct overlay *o, struct inode *i)
{
	uint32_t flags = itable_flags(o->inodes, i);

	return (flags & (INODE_METACOPY | INODE_BARE)) == INODE_METACOPY;
}

static int change_owner_and_mode(struct overlay *o, struct inode *i, int fd,
				 const struct change *c)
{
	bool plain = itable_flags(o->inodes, i) & INODE_PLAIN, caps;
	TURN(turn);
	GATE_PASS(pass, o);
	int r;

	caps = may_keep_caps(o, i) && (c->uid || c->gid || c->kill_priv);
	if (caps)
		turn = turn_take(i);
	r = ask_owner(&pass, i, fd, c);
	if (r < 0)
		return r;
	if (o->opts->xattr_permissions)
		return change_override(o, fd, c);
	/* That these are gone does no harm if the rest fails. */
	if (c->kill_priv && !plain)
		r = attr_kill_priv(fd);
	if (r >= 0 && caps)
		r = datafill_caps_changed(fd);
	if (r >= 0 && (c->uid || c->gid))
		r = change_owner(o, fd, c);
	if (r >= 0 && c->mode)
		r = fdio_chmod(fd, c->new_mode);
	return r < 0 ? r : 0;
}

static int apply(struct overlay *o, struct inode *i,
		 const struct itable_view *v, int fd, const struct change *c)
{
	_cleanup_close_ int own = -1;
	int data = c->size ? open_size(o, v, c, &own) : 0, r = 0;

	if (data < 0)
		return data;
	if (c->uid || c->gid || c->mode || c->kill_priv)
		r = change_owner_and_mode(o, i, fd, c);
	if (r == 0 && c->size)
		r = change_truncate(o, i, data, c->new_size);
	if (r < 0 || !(c->atime || c->mtime))
		return r;
	if (v->flags & INODE_METACOPY)
		r = datafill_times(fd, c->times);
	if (r == 0 && utimensat(fd, "", c->times, AT_EMPTY_PATH) < 0)
		r = -errno;
	return r;
}

/*
 * It is done, and it cannot be asked what it looks like now: what it looked
 * like before, and what was changed.
 */
static void guess(const struct change *c, struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	st->st_ctim = now;
	if (c->kill_priv)
		st->st_mode &= ~(mode_t)(S_ISUID | S_ISGID);
	if (c->mode)
		st->st_mode = (st->st_mode & S_IFMT) | c->new_mode;
	if (c->uid)
		st->st_uid = c->new_uid;
	if (c->gid)
		st->st_gid = c->new_gid;
	if (c->size) {
		st->st_size = c->new_size;
		st->st_mtim = now;
	}
	if (c->atime)
		st->st_atim = c->times[0].tv_nsec == UTIME_NOW ? now
							       : c->times[0];
	if (c->mtime)
		st->st_mtim = c->times[1].tv_nsec == UTIME_NOW ? now
							       : c->times[1];
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
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	struct stat before;
	int r;

	/* Emptying it comes last. */
	r = copyup(o, i, c->size && c->new_size ? COPYUP_DATA : COPYUP_META);
	if (r < 0)
		return r;
	if (c->mode && (c->new_mode & (S_ISUID | S_ISGID)))
		change_not_plain(o, i);
	itable_view(o->inodes, i, &v);
	fd = attr_open_meta(o, &v, O_PATH);
	if (fd < 0)
		return fd;
	r = fdio_stat(fd, &before);
	if (r == 0 && o->opts->xattr_permissions)
		r = override_read(fd, &before);
	if (r == 0)
		r = apply(o, i, &v, fd, c);
	if (r < 0)
		return r;
	if (attr_of_fd(o, &v, fd, st) < 0) {
		*st = before;
		attr_shape_view(o, &v, st);
		guess(c, st);
	}
	return 0;
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
