/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/copyup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/copydata.h"
#include "fs/datafill.h"
#include "fs/dirlayer.h"
#include "fs/dirsnap.h"
#include "fs/gate.h"
#include "fs/itableset.h"
#include "fs/lookup.h"
#include "fs/lowerpath.h"
#include "fs/meta.h"
#include "fs/turn.h"
#include "fs/upmark.h"
#include "fs/xattrs.h"

/*
 * States of an inode: below only -> in upper with its data below (metacopy)
 * -> in upper wholly. The one thread whose turn it is moves it on. No thread has
 * two turns at a time: parents are moved first, from the top, each on its own.
 *
 * A file with several names below gets one in work/index as well, by which
 * the other names find it (lookup.c).
 */
struct job {
	struct overlay *o;
	struct inode *inode;
	struct itable_view v;
	enum copyup_want want;
	struct stat st;	  /* the lower's, raw */
	struct meta from; /* the lower */
	char tmp[UPPER_TMP_MAX];
	struct xattrs_record rec;
	struct ref up; /* what it is in upper */
	bool has_tmp;
	bool has_index;
	int synced;	/* strict: of the directory, once it has its name */
	uint32_t known; /* INODE_BARE, INODE_PLAIN */
};

static bool satisfied(const struct itable_view *v, enum copyup_want want)
{
	if (!(v->flags & INODE_UPPER))
		return false;
	return want == COPYUP_META || !(v->flags & INODE_METACOPY);
}

static void job_end(struct job *j)
{
	if (j->has_tmp)
		upper_discard(j->o->upper, j->tmp);
	meta_close(&j->from);
	dirlayer_ref_close(&j->up);
}

/* Making it in work. */

static int put_data(struct job *j, int fd)
{
	int r;

	if (!S_ISREG(j->st.st_mode) || j->want == COPYUP_EMPTY ||
	    j->st.st_size == 0)
		return 0;
	if (j->rec.metacopy)
		return ftruncate(fd, j->st.st_size) < 0 ? -errno : 0;
	if (j->v.n_lower == 1 && j->from.fd >= 0)
		r = copydata(j->from.fd, fd, j->st.st_size);
	else
		r = datafill_copy(j->o, &j->v, fd, j->st.st_size);
	return r < 0 ? r : upper_sync_data(j->o->upper, fd);
}

static int put_times(int fd, const struct stat *st, bool changed)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (changed)
		times[1].tv_nsec = UTIME_NOW;
	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int put_meta(struct job *j, int fd)
{
	const struct stat *st = &j->st;
	int r;

	if (fchownat(fd, "", st->st_uid, st->st_gid,
		     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = j->o->opts->noxattrs ? 0 : meta_copy_xattrs(&j->from, fd);
	if (r == 0)
		r = xattrs_record_set(fd, &j->rec);
	/* Symlinks, devices and sockets take no attributes of a user's. */
	if (r == -EPERM && !S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		r = 0;
	if (r == 0 && j->rec.metacopy)
		r = xattrs_private_set(fd, XATTRS_METACOPY, "", 0);
	if (r == 0 && !S_ISLNK(st->st_mode))
		r = fdio_chmod(fd, st->st_mode & 07777);
	/* Emptied by the guest, it has changed. */
	return r < 0 ? r : put_times(fd, st, j->want == COPYUP_EMPTY);
}

/* Opening and writing it will ask for setuid, capabilities and the like. */
static uint32_t known_of(const struct job *j, int fd)
{
	if (!S_ISREG(j->st.st_mode) || !xattrs_is_bare(fd))
		return 0;
	return INODE_BARE |
	       (j->st.st_mode & (S_ISUID | S_ISGID) ? 0 : INODE_PLAIN);
}

/* Giving it its name. */

/*
 * It has one name more in upper, and one less that only work/index stands for.
 * Too many links for a moment is harmless, too few would not be.
 */
static int count_name(struct job *j, int fd, const struct upper_place *to)
{
	int work = upper_workfd(j->o->upper), r;

	if (!j->has_index)
		return 0;
	j->rec.link_delta--;
	r = xattrs_record_set(fd, &j->rec);
	if (r == 0)
		return 0;
	if (renameat2(to->dirfd, to->name, work, j->tmp, RENAME_NOREPLACE) < 0)
		log_error("copy-up of '%s': it shows a link too many: %s",
			  to->name, strerror(errno));
	else
		j->has_tmp = true;
	return r;
}

static int publish_at(struct job *j, int fd, struct inode *parent,
		      const char *name)
{
	struct upper *u = j->o->upper;
	struct itable_view dir;
	struct upper_place to = { .name = name };
	OVERLAY_DIR(d, j->o);
	GATE_PASS(pass, j->o);
	struct stat before;
	int r;

	itable_view(j->o->inodes, parent, &dir);
	r = overlay_upper_dir(j->o, &dir, &d.ent);
	if (r == 0)
		r = upmark_impure(j->o, parent);
	if (r < 0)
		return r;
	to.dirfd = d.ent->fd;
	if (fstat(to.dirfd, &before) < 0)
		return -errno;
	r = gate_watch(&pass, parent, to.dirfd);
	if (r == 0)
		r = upper_publish(u, upper_workfd(u), j->tmp,
				  S_ISDIR(j->st.st_mode), &to);
	if (r < 0)
		return r;
	j->has_tmp = false;
	CRASH_POINT(COPYUP_PUBLISHED);
	r = count_name(j, fd, &to);
	/* The guest has changed nothing in this directory. */
	put_times(to.dirfd, &before, false);
	overlay_attr_stale(j->o, parent);
	if (r == 0)
		j->synced = upper_sync_dir(u, to.dirfd);
	return r;
}

static int publish_index(struct job *j, int fd)
{
	struct upper *u = j->o->upper;
	char key[LOOKUP_INDEX_MAX];
	struct ref low;
	int r;

	itable_view_lower(&j->v, 0, &low);
	lookup_index_name(j->o, &low, key);
	/* True until it has a name in upper; see count_name(). */
	j->rec.link_delta = (int32_t)j->st.st_nlink - 1;
	r = xattrs_record_set(fd, &j->rec);
	if (r == 0)
		r = xattrs_private_set(fd, XATTRS_INDEX, key, strlen(key));
	if (r == 0 &&
	    linkat(upper_workfd(u), j->tmp, upper_indexfd(u), key, 0) < 0)
		r = -errno;
	if (r == 0)
		j->has_index = true;
	return r;
}

/* A copy-up that failed later must not be found by the other names. */
static void unpublish_index(struct job *j)
{
	char key[LOOKUP_INDEX_MAX];
	struct ref low;

	itable_view_lower(&j->v, 0, &low);
	unlinkat(upper_indexfd(j->o->upper), lookup_index_name(j->o, &low, key),
		 0);
}

/* Nobody can name it any more: keep it open instead. */
static int keep_unnamed(struct job *j, int fd)
{
	int pin = fdio_reopen(fd, O_PATH);

	if (pin < 0)
		return pin;
	lock_acquire(&j->inode->lock);
	itableset_pin_locked(j->o->inodes, j->inode, pin);
	lock_release(&j->inode->lock);
	if (j->has_index)
		unpublish_index(j);
	return 0;
}

static int publish(struct job *j, int fd)
{
	char name[ITABLE_NAME_MAX + 1];
	OVERLAY_PIN(parent, j->o);
	struct itable_view now;
	int r;

	for (int tries = 0; tries < 4; tries++) {
		itable_view(j->o->inodes, j->inode, &now);
		if (now.flags & INODE_UNLINKED)
			return keep_unnamed(j, fd);
		itable_unpin(j->o->inodes, parent.inode);
		parent.inode = itable_get_index(j->o->inodes, now.parent);
		if (!parent.inode)
			return -ESTALE;
		r = publish_at(j, fd, parent.inode,
			       itable_view_name(&now, name));
		if (r != -EEXIST)
			return r;
	}
	log_error("copy-up of '%s': upper has that name already, the lower "
		  "layers changed while mounted",
		  name);
	return -ESTALE;
}

/* What the inode will know it by; found out while nothing has happened yet. */
static int find_ref(struct overlay *o, int fd, struct ref *up)
{
	struct stat st;
	int r = fdio_stat(fd, &st);

	return r < 0 ? r
		     : dirlayer_ref_fd(upper_layer(o->upper), fd, st.st_ino,
				       up);
}

/*
 * The inode knows its new place, and that it is what `known` says. *up is taken
 * if it does.
 */
static int adopt(struct overlay *o, struct inode *i, struct ref *up,
		 const struct xattrs_record *rec, uint32_t known)
{
	struct itable *t = o->inodes;
	uint32_t set = INODE_UPPER | INODE_RECORD | known;
	struct itable_view v;
	int r;

	itable_view(t, i, &v);
	if (rec->metacopy)
		set |= INODE_METACOPY;
	if (rec->indexed)
		set |= INODE_INDEXED;
	lock_acquire(&i->lock);
	r = itableset_upper_locked(t, i, up);
	if (r == 0) {
		*up = REF_NONE;
		itableset_flags_locked(t, i, set, 0);
		itableset_link_delta_locked(t, i, rec->link_delta);
		if (!S_ISDIR(v.type) && !rec->metacopy) {
			itableset_flags_locked(t, i, 0, INODE_METACOPY);
			itableset_drop_lowers_locked(t, i);
		}
	}
	lock_release(&i->lock);
	if (r == 0)
		overlay_attr_stale(o, i);
	return r;
}

static bool may_stay_below(const struct job *j)
{
	return j->want == COPYUP_META && S_ISREG(j->st.st_mode) &&
	       j->st.st_size > 0;
}

static int open_source(struct job *j)
{
	int r = meta_open_lower(j->o, &j->v, &j->from);

	return r < 0 ? r : meta_stat(&j->from, &j->st);
}

static int make_inode(struct job *j)
{
	char target[PATH_MAX] = "";
	ssize_t n = 0;

	if (S_ISLNK(j->st.st_mode))
		n = meta_readlink(&j->from, target, sizeof(target) - 1);
	if (n < 0)
		return (int)n;
	target[n] = '\0';
	return upper_make(j->o->upper, &j->st, target, j->tmp);
}

static int take_place(struct job *j, int fd, bool links)
{
	int r;

	r = find_ref(j->o, fd, &j->up);
	if (r < 0)
		return r;
	itable_move_begin(j->o->inodes, j->inode);
	r = links ? publish_index(j, fd) : 0;
	CRASH_POINT(COPYUP_INDEX);
	if (r == 0)
		r = publish(j, fd);
	if (r < 0 && j->has_index)
		unpublish_index(j);
	if (r == 0)
		r = adopt(j->o, j->inode, &j->up, &j->rec, j->known);
	if (r == 0)
		gate_born(j->o, j->inode, fd);
	CRASH_POINT(COPYUP_ADOPTED);
	itable_move_end(j->o->inodes, j->inode);
	return r < 0 ? r : j->synced;
}

/*
 * Ask for all of it before a byte is copied: what the data takes below, or as
 * much as it is long if that is less.
 */
static int ask(struct job *j, struct gate_pass *p)
{
	struct charge_want want[2] = {
		{ .owner = { j->st.st_uid, j->st.st_gid }, .inodes = 1 },
		{ .space = gate_name_space(j->o) },
	};
	OVERLAY_PIN(parent, j->o);

	if (!j->o->gate)
		return 0;
	if (!S_ISREG(j->st.st_mode))
		want[0].space = gate_round(j->o, 1);
	else if (j->want == COPYUP_DATA)
		want[0].space = datafill_space(j->o, &j->v, j->st.st_size);
	parent.inode = itable_get_index(j->o->inodes, j->v.parent);
	if (!parent.inode || !gate_owner(j->o, parent.inode, &want[1].owner))
		want[1].space = 0;
	return gate_enter(p, want, 2);
}

static int from_below(struct job *j)
{
	_cleanup_close_ int fd = -1;
	GATE_PASS(pass, j->o);
	bool links;
	int r = open_source(j);

	if (r == 0)
		r = ask(j, &pass);
	if (r < 0)
		return r;
	links = !S_ISDIR(j->st.st_mode) && j->st.st_nlink > 1 &&
		!(j->v.flags & INODE_UNLINKED);
	j->rec = (struct xattrs_record){ .ino = j->v.ino };
	j->rec.metacopy = may_stay_below(j);
	j->rec.indexed = links;
	r = fd = make_inode(j);
	j->has_tmp = r >= 0;
	CRASH_POINT(COPYUP_MADE);
	if (r >= 0)
		r = put_data(j, fd);
	CRASH_POINT(COPYUP_DATA);
	if (r >= 0)
		r = put_meta(j, fd);
	if (r >= 0 && (S_ISREG(j->st.st_mode) || S_ISDIR(j->st.st_mode)))
		r = upper_sync_marks(j->o->upper, fd);
	if (r >= 0)
		j->known = known_of(j, fd);
	CRASH_POINT(COPYUP_META);
	return r < 0 ? r : take_place(j, fd, links);
}

/* Metadata is upper's, data below: bring the data. */
static int bring_data(struct job *j)
{
	int r = datafill(j->o, j->inode, &j->v, j->want == COPYUP_EMPTY);

	if (r < 0)
		return r;
	lock_acquire(&j->inode->lock);
	itableset_flags_locked(j->o->inodes, j->inode, 0, INODE_METACOPY);
	itableset_drop_lowers_locked(j->o->inodes, j->inode);
	lock_release(&j->inode->lock);
	overlay_attr_stale(j->o, j->inode);
	return 0;
}

static int move_on(struct overlay *o, struct inode *i, enum copyup_want want)
{
	_cleanup_(job_end) struct job j = { .o = o,
					    .inode = i,
					    .want = want,
					    .from = { .fd = -1 },
					    .up = REF_NONE };

	itable_view(o->inodes, i, &j.v);
	if (satisfied(&j.v, want))
		return 0;
	return j.v.flags & INODE_UPPER ? bring_data(&j) : from_below(&j);
}

/* One inode whose parent is in upper already. */
static int one(struct overlay *o, struct inode *i, enum copyup_want want)
{
	TURN(mine);

	mine = turn_take(i);
	return move_on(o, mine, want);
}

/* The highest ancestor-or-self that is not in upper; pinned, NULL: none. */
static struct inode *topmost_below(struct overlay *o, struct inode *i)
{
	struct inode *top = NULL, *at = itable_pin(o->inodes, i);

	while (at) {
		struct itable_view v;

		itable_view(o->inodes, at, &v);
		if (v.flags & INODE_UPPER)
			break;
		itable_unpin(o->inodes, top);
		top = at;
		at = v.flags & INODE_UNLINKED
			     ? NULL
			     : itable_get_index(o->inodes, v.parent);
	}
	itable_unpin(o->inodes, at);
	return top;
}

int copyup(struct overlay *o, struct inode *i, enum copyup_want want)
{
	struct itable_view v;

	if (!o->upper)
		return -EROFS;
	itable_view(o->inodes, i, &v);
	if (satisfied(&v, want))
		return 0;
	for (;;) {
		OVERLAY_PIN(top, o);
		int r;

		top.inode = topmost_below(o, i);
		if (!top.inode || top.inode == i)
			return one(o, i, want);
		r = one(o, top.inode, COPYUP_META);
		if (r < 0)
			return r;
	}
}

/* After a crash. */

/* A descriptor of what our predecessor had published, -ENOENT: nothing. */
static int find_published(struct overlay *o, const struct itable_view *v)
{
	char name[ITABLE_NAME_MAX + 1], key[LOOKUP_INDEX_MAX];
	_cleanup_close_ int fd = -1;
	OVERLAY_PIN(parent, o);
	struct xattrs_record rec;
	struct itable_view dir;
	OVERLAY_DIR(d, o);
	struct ref low;

	if ((v->flags & INODE_UPPER) || v->pin >= 0)
		return attr_open_meta(o, v, O_PATH);
	parent.inode = itable_get_index(o->inodes, v->parent);
	if (!parent.inode)
		return -ESTALE;
	itable_view(o->inodes, parent.inode, &dir);
	if ((dir.flags & INODE_UPPER) &&
	    overlay_upper_dir(o, &dir, &d.ent) == 0)
		fd = fdio_openat(d.ent->fd, itable_view_name(v, name), O_PATH,
				 0);
	if (fd >= 0 && xattrs_record_get(fd, &rec) == 1 && rec.ino == v->ino)
		return TAKE_FD(fd);
	if (S_ISDIR(v->type) || v->n_lower == 0)
		return -ENOENT;
	itable_view_lower(v, 0, &low);
	return fdio_openat(upper_indexfd(o->upper),
			   lookup_index_name(o, &low, key), O_PATH, 0);
}

/* How many names the file has that upper does not. */
static int recount(struct overlay *o, const struct itable_view *v, int fd,
		   struct xattrs_record *rec)
{
	struct stat up = { .st_nlink = 0 }, st;
	struct layer *l;
	struct ref low;
	int r;

	if (!rec->indexed || v->n_lower == 0)
		return 0;
	itable_view_lower(v, 0, &low);
	l = overlay_layer(o, &low);
	r = l->ops->stat(l, &low, &st);
	if (r == 0)
		r = fdio_stat(fd, &up);
	if (r < 0)
		return r;
	rec->link_delta = (int32_t)st.st_nlink - (int32_t)up.st_nlink;
	return xattrs_record_set(fd, rec);
}

int copyup_settle(struct overlay *o, struct inode *i)
{
	_cleanup_close_ int fd = -1;
	struct xattrs_record rec;
	OVERLAY_PIN(parent, o);
	struct ref up = REF_NONE;
	struct itable_view v;
	int r;

	itable_view(o->inodes, i, &v);
	if (!(v.flags & INODE_MOVING))
		return 0;
	r = fd = find_published(o, &v);
	if (r >= 0)
		r = xattrs_record_get(fd, &rec);
	if (r > 0) {
		r = recount(o, &v, fd, &rec);
		if (r == 0)
			r = find_ref(o, fd, &up);
		if (r == 0)
			r = adopt(o, i, &up, &rec, 0);
		if (r == 0)
			gate_born(o, i, fd);
		dirlayer_ref_close(&up);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	lock_acquire(&i->lock);
	itableset_flags_locked(o->inodes, i, 0, INODE_MOVING);
	lock_release(&i->lock);
	parent.inode = itable_get_index(o->inodes, v.parent);
	if (parent.inode)
		overlay_attr_stale(o, parent.inode);
	return 0;
}
