/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/create.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/creds.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/base/xattrio.h"
#include "fs/dirlayer.h"
#include "fs/dirsnap.h"
#include "fs/gate.h"
#include "fs/itableset.h"
#include "fs/names.h"
#include "fs/override.h"
#include "fs/xattrs.h"

/* The creator's ids and the device number as they are on disk. */
static int to_disk(const struct overlay *o, const struct create_spec *in,
		   struct create_spec *out)
{
	*out = *in;
	out->uid = ids_uid_in(&o->ids, in->uid);
	out->gid = ids_gid_in(&o->ids, in->gid);
	if (out->uid == IDS_INVALID || out->gid == IDS_INVALID)
		return -EOVERFLOW;
	if (S_ISCHR(in->mode)) {
		if (in->rdev == OVERLAY_GUEST_WHITEOUT)
			return -EINVAL;
		if (in->rdev == 0)
			out->rdev = OVERLAY_GUEST_WHITEOUT;
	}
	return 0;
}

/*
 * The one system call; a descriptor for `open`, else 0. With `own` the inode is
 * the daemon's. A umask that takes nothing away is left alone: setting it costs
 * two system calls.
 */
static int make(int dirfd, const char *name, const struct create_spec *spec,
		bool own)
{
	mode_t mask = S_ISLNK(spec->mode) ? 0 : spec->mode & spec->umask;
	struct creds saved;
	int r;

	creds_enter(&saved, own ? 0 : spec->uid, own ? 0 : spec->gid,
		    mask ? spec->umask : 0);
	if (S_ISREG(spec->mode) && spec->open)
		r = openat(dirfd, name,
			   O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC,
			   spec->mode & 07777);
	else if (S_ISDIR(spec->mode))
		r = mkdirat(dirfd, name, spec->mode & 07777);
	else if (S_ISLNK(spec->mode))
		r = symlinkat(spec->target, dirfd, name);
	else
		r = mknodat(dirfd, name, spec->mode, spec->rdev);
	if (r < 0)
		r = -errno;
	creds_leave(&saved);
	return r;
}

/* In place of a whiteout: made aside, then swapped in. */
static int make_over(struct names_dir *d, const char *name,
		     const struct create_spec *spec)
{
	struct upper *u = d->o->upper;
	struct upper_place to = { d->ent->fd, name, true };
	char scratch[UPPER_TMP_MAX], tmp[UPPER_TMP_MAX];
	bool is_dir = S_ISDIR(spec->mode);
	_cleanup_close_ int from = -1, dir = -1;
	int fd, r;

	from = upper_scratch(u, d->ent->fd, scratch);
	if (from < 0)
		return from;
	upper_tmpname(u, tmp);
	fd = r = make(from, tmp, spec, d->o->opts->xattr_permissions);
	if (r >= 0 && is_dir) {
		r = dir = fdio_openat(from, tmp, O_RDONLY | O_DIRECTORY, 0);
		if (r >= 0)
			r = xattrs_private_set(dir, XATTRS_OPAQUE, "y", 1);
	}
	if (r >= 0)
		r = upper_publish(u, from, tmp, is_dir, &to);
	if (r < 0 && fd >= 0) {
		unlinkat(from, tmp, is_dir ? AT_REMOVEDIR : 0);
		if (spec->open)
			close(fd);
	}
	upper_scratch_end(u, scratch);
	return r < 0 ? r : fd;
}

/* Upper itself says whether the name is free there. */
static int make_vacant(struct names_dir *d, const char *name,
		       const struct create_spec *spec)
{
	int r = lookup_below(d->o, &d->v, name);

	if (r < 0)
		return r;
	if (r == 0) {
		r = make(d->ent->fd, name, spec, d->o->opts->xattr_permissions);
		if (r != -EEXIST)
			return r;
	}
	r = names_vacancy(d, name);
	return r > 0 ? make_over(d, name, spec) : r < 0 ? r : -EEXIST;
}

/*
 * The kernel asks only where it knows that there is nothing, and keeps the
 * directory's lock until we answer: a name that is there all the same, the
 * second time, is our own work.
 */
static int make_named(struct names_dir *d, const char *name,
		      const struct create_spec *spec)
{
	bool again = slot_before(SLOT_VACANT);
	int r;

	if (!again)
		slot_note_kind(SLOT_VACANT);
	r = make_vacant(d, name, spec);
	if (r == -EEXIST && again)
		return S_ISREG(spec->mode) && spec->open
			       ? fdio_openat(d->ent->fd, name, O_RDWR, 0)
			       : 0;
	if (r == -EEXIST)
		slot_note_kind(SLOT_NOTHING);
	return r;
}

/* Owner and mode into an attribute: what was made is the daemon's own. */
static int override(const struct names_dir *d, const char *name,
		    const struct create_spec *spec, struct stat *st)
{
	_cleanup_close_ int fd = -1;

	if (!d->o->opts->xattr_permissions)
		return 0;
	fd = fdio_openat(d->ent->fd, name, O_PATH, 0);
	if (fd < 0)
		return fd;
	st->st_uid = spec->uid;
	st->st_gid = spec->gid;
	return override_write(fd, st);
}

/* Find out what was made and tell the table. */
static int commit(struct names_dir *d, const char *name, int fd,
		  const struct create_spec *spec, struct create_result *out)
{
	struct layer *up = upper_layer(d->o->upper);
	struct attr_shape shape;
	struct stat disk;
	LOOKUP(l);
	int r;

	r = fd >= 0 ? fdio_stat(fd, &l.st)
		    : fdio_statat(d->ent->fd, name, &l.st);
	if (r == 0)
		r = fd >= 0 ? dirlayer_ref_fd(up, fd, l.st.st_ino, &l.upper)
			    : dirlayer_ref_at(up, d->ent->fd, name, l.st.st_ino,
					      &l.upper);
	if (r < 0)
		return r;
	if (name[0])
		r = override(d, name, spec, &l.st);
	if (r < 0)
		return r;
	disk = l.st;
	l.ino = layer_ino(up, l.st.st_ino);
	l.flags = INODE_UPPER;
	/* The first write will ask for capabilities. */
	if (fd >= 0 && flistxattr(fd, NULL, 0) == 0)
		l.flags |=
			INODE_BARE |
			(l.st.st_mode & (S_ISUID | S_ISGID) ? 0 : INODE_PLAIN);
	shape = (struct attr_shape){ .ino = l.ino, .flags = l.flags };
	attr_shape(d->o, &shape, &l.st);
	out->st = l.st;
	r = lookup_intern(d->o, &l, d->inode, name, &out->inode);
	if (r == 0 && name[0])
		gate_created(d->o, out->inode, &disk);
	return r;
}

/* What the inode itself takes at most. */
static uint64_t space_of(const struct names_dir *d,
			 const struct create_spec *spec)
{
	uint64_t block = gate_round(d->o, 1), all = 0;

	if (S_ISDIR(spec->mode) || S_ISLNK(spec->mode))
		all = block;
	/* An ACL that it inherits may get a block of its own. */
	if (gate_fs(d->o->gate)->xattr_block && !S_ISLNK(spec->mode) &&
	    xattrio_get(d->ent->fd, "system.posix_acl_default", NULL, 0) > 0)
		all += block;
	return all;
}

/*
 * Ask for it; what our predecessor made was granted. With a name its directory
 * may grow, too.
 */
static int ask(struct gate_pass *p, struct names_dir *d,
	       const struct create_spec *spec, bool named)
{
	struct charge_want want[2] = {
		{ .owner = { spec->uid, spec->gid }, .inodes = 1 },
		{ .space = gate_name_space(d->o) },
	};
	struct stat dir;
	int r;

	if (!d->o->gate)
		return 0;
	r = fdio_stat(d->ent->fd, &dir);
	if (r == 0 && named)
		r = gate_watch(p, d->inode, d->ent->fd);
	if (r < 0)
		return r;
	gate_owner(d->o, d->inode, &want[1].owner);
	if (dir.st_mode & S_ISGID)
		want[0].owner.gid = dir.st_gid;
	want[0].space = space_of(d, spec);
	if (named && slot_before(SLOT_VACANT))
		return gate_enter(p, NULL, 0);
	return gate_enter(p, want, named ? 2 : 1);
}

/* Nobody was told of it: the name is as it was. */
static void undo_make(struct names_dir *d, const char *name, bool is_dir)
{
	int r = lookup_below(d->o, &d->v, name);

	if (r == 0)
		r = unlinkat(d->ent->fd, name, is_dir ? AT_REMOVEDIR : 0) < 0
			    ? -errno
			    : 0;
	else if (r > 0)
		r = upper_cover(d->o->upper, d->ent->fd, name, is_dir);
	if (r < 0)
		log_warn("'%s' was made but not announced, and stays: %s", name,
			 strerror(-r));
}

int create(struct overlay *o, struct inode *parent, const char *name,
	   const struct create_spec *spec, struct create_result *out)
{
	struct create_result res = { .fd = -1 };
	_cleanup_close_ int fd = -1;
	struct create_spec disk = { .mode = 0 };
	NAMES_DIR(d);
	GATE_PASS(pass, o);
	int r = names_check(o, name);

	if (r == 0)
		r = to_disk(o, spec, &disk);
	if (r == 0)
		r = names_dir_begin(&d, o, parent);
	if (r == 0)
		r = ask(&pass, &d, &disk, true);
	if (r != 0)
		return r;

	r = make_named(&d, name, &disk);
	if (r < 0)
		return r;
	if (S_ISREG(disk.mode) && disk.open)
		fd = r;

	dirsnap_changed(o, parent);
	r = commit(&d, name, fd, &disk, &res);
	if (r < 0) {
		undo_make(&d, name, S_ISDIR(disk.mode));
		return r;
	}
	res.fd = TAKE_FD(fd);
	*out = res;
	return 0;
}

int create_unnamed(struct overlay *o, struct inode *parent,
		   const struct create_spec *spec, struct create_result *out)
{
	struct create_result res = { .fd = -1 };
	_cleanup_close_ int fd = -1, pin = -1;
	struct create_spec disk = { .mode = 0 };
	struct creds saved;
	NAMES_DIR(d);
	GATE_PASS(pass, o);
	int r = names_check(o, "");

	if (r == 0)
		r = to_disk(o, spec, &disk);
	if (r == 0)
		r = names_dir_begin(&d, o, parent);
	if (r == 0)
		r = ask(&pass, &d, &disk, false);
	if (r != 0)
		return r;
	creds_enter(&saved, disk.uid, disk.gid, disk.umask);
	fd = openat(d.ent->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
		    disk.mode & 07777);
	if (fd < 0)
		r = errno == EISDIR || errno == EINVAL ? -EOPNOTSUPP : -errno;
	creds_leave(&saved);
	if (r < 0)
		return r;
	pin = fdio_reopen(fd, O_PATH);
	if (pin < 0)
		return pin;
	CRASH_POINT(TMPFILE_MADE);
	r = commit(&d, "", fd, &disk, &res);
	if (r < 0)
		return r;
	lock_acquire(&res.inode->lock);
	itableset_flags_locked(o->inodes, res.inode, INODE_UNLINKED, 0);
	itableset_pin_locked(o->inodes, res.inode, TAKE_FD(pin));
	lock_release(&res.inode->lock);
	gate_born(o, res.inode, fd);
	res.st.st_nlink = 0;
	res.fd = TAKE_FD(fd);
	*out = res;
	return 0;
}
