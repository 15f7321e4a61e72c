/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/names.h"

#include <fcntl.h>

#include "fs/attr.h"
#include "fs/backing.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/copyup.h"
#include "fs/dirlayer.h"
#include "fs/dirsnap.h"
#include "fs/gate.h"
#include "fs/itableset.h"
#include "fs/upmark.h"
#include "fs/xattrs.h"

/*
 * A record in upper is read, changed and written back under its inode's lock:
 * here, where a name comes, and in datafill.c, where data has come. Neither
 * takes another lock meanwhile, nor enters the gate. (While it is copied up
 * nobody else has it.)
 */

int names_dir_begin(struct names_dir *d, struct overlay *o, struct inode *dir)
{
	int r;

	d->o = o;
	d->inode = dir;
	if (itable_flags(o->inodes, dir) & INODE_UNLINKED)
		return -ENOENT;
	r = copyup(o, dir, COPYUP_META);
	if (r < 0)
		return r;
	itable_view(o->inodes, dir, &d->v);
	return overlay_upper_dir(o, &d->v, &d->ent);
}

void names_dir_end(struct names_dir *d)
{
	if (d->ent)
		fdcache_put(d->o->fds, d->ent);
}

int names_check(const struct overlay *o, const char *name)
{
	if (!o->upper)
		return -EROFS;
	if (strncmp(name, ".wh.", 4) == 0 &&
	    dirlayer_wh_names(upper_layer(o->upper)))
		return -EPERM;
	return 0;
}

int names_state(const struct names_dir *d, const char *name,
		enum names_state *out)
{
	struct stat st;
	int r = fdio_statat(d->ent->fd, name, &st);

	if (r == -ENOENT) {
		*out = NAMES_ABSENT;
		return 0;
	}
	if (r < 0)
		return r;
	if (dirlayer_is_whiteout(&st))
		*out = NAMES_WHITEOUT;
	else
		*out = S_ISDIR(st.st_mode) ? NAMES_DIR_THERE : NAMES_FILE;
	return 0;
}

int names_vacancy(const struct names_dir *d, const char *name)
{
	enum names_state state;
	int r = names_state(d, name, &state);

	if (r < 0)
		return r;
	if (state == NAMES_WHITEOUT)
		return 1;
	if (state != NAMES_ABSENT)
		return -EEXIST;
	r = lookup_below(d->o, &d->v, name);
	return r > 0 ? -EEXIST : r;
}

/*
 * The name, and one less that only work/index stands for. With `before` our
 * predecessor gave it the name. The caller holds the inode's lock.
 */
static int link_locked(struct names_dir *d, struct inode *i, int fd,
		       const char *name, const struct slot_note *before)
{
	struct xattrs_record rec = { .ino = 0 };
	struct slot_note note = { .kind = SLOT_LINK_UP };
	int r = xattrs_record_get(fd, &rec);

	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	rec.link_delta--;
	if (before) {
		rec.link_delta = before->delta;
	} else {
		note.moved = itable_nodeid(d->o->inodes, i);
		note.delta = rec.link_delta;
		slot_note(&note);
	}
	/* Too many links for a moment is harmless, too few would not be. */
	if (!before && linkat(fd, "", d->ent->fd, name, AT_EMPTY_PATH) < 0)
		return -errno;
	r = xattrs_record_set(fd, &rec);
	if (r < 0) {
		unlinkat(d->ent->fd, name, 0);
		return r;
	}
	itableset_link_delta_locked(d->o->inodes, i, rec.link_delta);
	return 0;
}

int names_link_up(struct names_dir *d, struct inode *i, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	const struct slot_note *before = slot_before(SLOT_LINK_UP);
	enum names_state state;
	int r = names_state(d, name, &state);
	GATE_PASS(pass, d->o);
	bool there = r == 0 &&
		     (state == NAMES_FILE || state == NAMES_DIR_THERE);

	itable_view(d->o->inodes, i, &v);
	if (r < 0 || (there && (!before || before->moved != v.nodeid)))
		return r;
	fd = attr_open_meta(d->o, &v, O_PATH);
	if (fd < 0)
		return fd;
	r = upmark_impure(d->o, d->inode);
	if (r == 0)
		r = gate_watch(&pass, i, fd);
	if (r == 0)
		r = gate_enter(&pass, NULL, 0);
	if (r < 0)
		return r;
	lock_acquire(&i->lock);
	r = link_locked(d, i, fd, name, there ? before : NULL);
	lock_release(&i->lock);
	return r;
}

/* Victims. */

static bool must_count_links(const struct names_victim *vi,
			     const struct stat *st)
{
	return !S_ISDIR(st->st_mode) && st->st_nlink > 1 &&
	       !(vi->v.flags & INODE_UPPER);
}

/*
 * Does upper have the name? What is in upper was found by it there, unless
 * only work/index stands for it: then it gets the name first, and the effect
 * alone says how many links are left.
 */
static int find_name(struct names_victim *vi, struct names_dir *d,
		     const char *name, bool dies)
{
	enum names_state state = NAMES_ABSENT;
	int r = 0;

	if (!(vi->v.flags & INODE_INDEXED)) {
		vi->named = vi->v.flags & INODE_UPPER;
		return 0;
	}
	if (dies)
		r = names_link_up(d, vi->inode, name);
	if (r == 0)
		r = names_state(d, name, &state);
	if (r < 0)
		return r;
	itable_view(d->o->inodes, vi->inode, &vi->v);
	vi->named = state == NAMES_FILE || state == NAMES_DIR_THERE;
	return 0;
}

int names_victim_begin(struct names_victim *vi, struct names_dir *d,
		       const char *name, bool dies)
{
	struct stat st;
	int r;

	vi->o = d->o;
	r = lookup_inode(d->o, d->inode, name, &vi->inode, &st);
	if (r < 0)
		return r;
	itable_view(d->o->inodes, vi->inode, &vi->v);
	/* In upper, perhaps, and the table is about to hear of it: wait. */
	if ((vi->v.flags & (INODE_MOVING | INODE_UPPER)) == INODE_MOVING) {
		(void)copyup(d->o, vi->inode, COPYUP_META);
		itable_view(d->o->inodes, vi->inode, &vi->v);
	}
	if (must_count_links(vi, &st)) {
		r = copyup(d->o, vi->inode, COPYUP_META);
		if (r < 0)
			return r;
		itable_view(d->o->inodes, vi->inode, &vi->v);
	}
	vi->links = S_ISDIR(st.st_mode) ? 1 : st.st_nlink;
	r = find_name(vi, d, name, dies);
	if (r < 0)
		return r;
	r = d->v.n_lower ? lookup_below(d->o, &d->v, name) : 0;
	if (r < 0)
		return r;
	vi->below = r > 0;
	if (dies && vi->links == 1 && (vi->v.flags & INODE_UPPER)) {
		vi->pin = attr_open_meta(d->o, &vi->v, O_PATH);
		if (vi->pin < 0)
			return vi->pin;
		return gate_know(d->o, vi->inode, vi->pin);
	}
	return 0;
}

void names_victim_note(const struct names_victim *vi, struct slot_note *n)
{
	n->victim = vi->v.nodeid;
	n->links = (uint32_t)vi->links;
	n->pin = vi->pin + 1;
	n->named = vi->named;
}

int names_victim_noted(struct names_victim *vi, struct overlay *o,
		       const struct slot_note *n)
{
	vi->o = o;
	vi->inode = itable_get(o->inodes, n->victim);
	if (!vi->inode)
		return -ESTALE;
	itable_view(o->inodes, vi->inode, &vi->v);
	vi->links = n->links;
	vi->named = n->named;
	vi->pin = n->pin - 1;
	return 0;
}

/* No name is left but that in work/index. */
static void leave_index(struct names_victim *vi)
{
	char key[LOOKUP_INDEX_MAX + 1] = "";
	ssize_t n =
		xattrs_private_get(vi->pin, XATTRS_INDEX, key, sizeof(key) - 1);

	if (n > 0 && (unlinkat(upper_indexfd(vi->o->upper), key, 0) == 0 ||
		      errno == ENOENT))
		return;
	log_warn("a file without a name stays in work/index: %s",
		 strerror(n < 0 ? (int)-n : errno));
}

void names_victim_gone(struct names_victim *vi)
{
	struct itable *t = vi->o->inodes;
	bool last = vi->links <= 1;

	lock_acquire(&vi->inode->lock);
	if (last && vi->pin >= 0 && (vi->v.flags & INODE_INDEXED))
		leave_index(vi);
	if (last) {
		itableset_flags_locked(t, vi->inode, INODE_UNLINKED, 0);
		if (vi->pin >= 0) {
			itableset_pin_locked(t, vi->inode, vi->pin);
			slot_release_pin(TAKE_FD(vi->pin));
		}
	}
	lock_release(&vi->inode->lock);
	if (!last)
		return;
	gate_doom(vi->o, vi->inode, true);
	if (S_ISDIR(vi->v.type)) {
		if (vi->v.flags & INODE_UPPER)
			fdcache_drop(vi->o->fds, &vi->v.upper);
		dirsnap_changed(vi->o, vi->inode);
	} else {
		backing_forget_idle(vi->o, vi->inode);
	}
}

void names_victim_end(struct names_victim *vi)
{
	if (vi->pin >= 0) {
		slot_release_pin(vi->pin);
		close(vi->pin);
	}
	if (vi->inode)
		itable_unpin(vi->o->inodes, vi->inode);
}

void names_moved(struct names_dir *to, struct inode *i, const char *name)
{
	struct overlay *o = to->o;
	int r;

	lock_acquire(&i->lock);
	r = itableset_name_locked(o->inodes, i,
				  itable_index(o->inodes, to->inode), name);
	lock_release(&i->lock);
	if (r < 0)
		log_error("no memory to note a rename to '%s'", name);
}
