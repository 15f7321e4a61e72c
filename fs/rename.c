/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/rename.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/creds.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/copyup.h"
#include "fs/dirsnap.h"
#include "fs/gate.h"
#include "fs/itableset.h"
#include "fs/names.h"
#include "fs/upmark.h"
#include "fs/xattrs.h"

/*
 * The source is in upper by then, its directories too. One renameat2(2) on
 * upper is the effect; what lies below the old name is covered by the same
 * call (RENAME_WHITEOUT, or a whiteout that stood at the new name and changes
 * places). A directory that shows lowers takes a redirect along, written
 * before: at the old name it says what is true there anyway.
 */
struct move {
	struct overlay *o;
	const struct rename_spec *spec;
	struct names_dir *from, *to;
	struct names_victim src, dst; /* dst.inode NULL: nothing there */
	bool src_dir, dst_dir;
	enum names_state at_to;
	char device[UPPER_TMP_MAX]; /* in work; "": none */
};

static void move_end(struct move *m)
{
	if (m->device[0])
		upper_discard(m->o->upper, m->device);
	names_victim_end(&m->src);
	names_victim_end(&m->dst);
}

/* What stands there in upper; 0: nothing. */
static uint64_t upper_ino(const struct names_dir *d, const char *name)
{
	struct stat st;

	return fdio_statat(d->ent->fd, name, &st) < 0 ? 0 : st.st_ino;
}

/* Preconditions. */

/*
 * Our predecessor was killed when it had put an empty directory in the place of
 * the target, which is gone by now: 1, and the target is the one it knew. An
 * attempt of our own that failed has no pin any more.
 */
static int find_cleared(struct move *m)
{
	const struct slot_note *n = slot_before(SLOT_MOVE);
	int r;

	if (!n || !n->pin || upper_ino(m->to, m->spec->to) == n->to)
		return 0;
	r = names_victim_noted(&m->dst, m->o, n);
	if (r < 0)
		return r == -ESTALE ? 0 : r;
	m->dst_dir = S_ISDIR(m->dst.v.type);
	r = lookup_below(m->o, &m->to->v, m->spec->to);
	m->dst.below = r > 0;
	return r < 0 ? r : 1;
}

/* What goes may be copied up to count its links: never refused, as removing. */
static int begin_target(struct move *m)
{
	const struct rename_spec *s = m->spec;
	bool dies = !(s->flags & RENAME_EXCHANGE);
	int r;

	if (dies) {
		GATE_FORCED();
		r = names_victim_begin(&m->dst, m->to, s->to, true);
	} else {
		r = names_victim_begin(&m->dst, m->to, s->to, false);
	}
	return r;
}

static int find_target(struct move *m)
{
	const struct rename_spec *s = m->spec;
	int r = find_cleared(m);

	if (r != 0)
		return r < 0 ? r : 0;
	r = begin_target(m);
	if (r == -ENOENT && !(s->flags & RENAME_EXCHANGE))
		return 0;
	if (r < 0)
		return r;
	if (s->flags & RENAME_NOREPLACE)
		return -EEXIST;
	m->dst_dir = S_ISDIR(m->dst.v.type);
	if (s->flags & RENAME_EXCHANGE)
		return 0;
	if (m->src_dir && !m->dst_dir)
		return -ENOTDIR;
	if (!m->src_dir && m->dst_dir)
		return -EISDIR;
	if (!m->dst_dir)
		return 0;
	r = dirsnap_is_empty(m->o, &m->dst.v);
	return r == 0 ? -ENOTEMPTY : r < 0 ? r : 0;
}

/* Bring an inode up and make sure that upper has it under this name. */
static int bring(struct names_victim *vi, struct names_dir *d, const char *name)
{
	int r = copyup(d->o, vi->inode, COPYUP_META);

	if (r < 0)
		return r;
	r = upmark_found(d->o, vi->inode);
	if (r < 0)
		return r;
	itable_view(d->o->inodes, vi->inode, &vi->v);
	if (vi->v.flags & INODE_INDEXED)
		return names_link_up(d, vi->inode, name);
	return 0;
}

/* A directory carries with it where its lowers are, or that it has none. */
static int prepare_dir(struct move *m, struct names_victim *vi, bool to_below)
{
	OVERLAY_DIR(d, m->o);
	GATE_PASS(pass, m->o);
	int r;

	if (!S_ISDIR(vi->v.type) || (vi->v.n_lower == 0 && !to_below))
		return 0;
	if (vi->v.n_lower > 0 && !m->o->opts->redirect_dir)
		return -EXDEV;
	r = overlay_upper_dir(m->o, &vi->v, &d.ent);
	if (r == 0)
		r = gate_watch(&pass, vi->inode, d.ent->fd);
	if (r == 0)
		r = gate_enter(&pass, NULL, 0);
	if (r < 0)
		return r;
	if (vi->v.n_lower == 0)
		return xattrs_private_set(d.ent->fd, XATTRS_OPAQUE, "y", 1);
	r = upmark_redirect(m->o, vi->inode, d.ent->fd);
	if (r < 0)
		return r == -ERANGE ? -EXDEV : r;
	lock_acquire(&vi->inode->lock);
	itableset_flags_locked(m->o->inodes, vi->inode, INODE_REDIRECT, 0);
	lock_release(&vi->inode->lock);
	return 0;
}

static int prepare(struct move *m)
{
	const struct rename_spec *s = m->spec;
	bool exchange = s->flags & RENAME_EXCHANGE;
	int r = bring(&m->src, m->from, s->from);

	if (r == 0 && exchange)
		r = bring(&m->dst, m->to, s->to);
	if (r < 0)
		return r;
	r = names_state(m->to, s->to, &m->at_to);
	if (r < 0)
		return r;
	if (!m->dst.inode) {
		r = lookup_below(m->o, &m->to->v, s->to);
		if (r < 0)
			return r;
		m->dst.below = r > 0;
	}
	if (m->src.v.flags & INODE_RECORD || m->src.v.n_lower > 0)
		r = upmark_impure(m->o, s->to_dir);
	if (r >= 0 && exchange && m->dst.v.flags & INODE_RECORD)
		r = upmark_impure(m->o, s->from_dir);
	if (r >= 0)
		r = prepare_dir(m, &m->src, m->dst.below);
	if (r >= 0 && exchange)
		r = prepare_dir(m, &m->dst, m->src.below);
	return r < 0 ? r : 0;
}

/*
 * An empty directory of whiteouts, swapped for one that is really empty. It is
 * `tmp` in work then, until the rename has succeeded.
 */
static int clear_target(struct move *m, char tmp[UPPER_TMP_MAX])
{
	struct upper *u = m->o->upper;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int work = upper_workfd(u), r;

	upper_tmpname(u, tmp);
	r = fdio_statat(m->to->ent->fd, m->spec->to, &st);
	if (r < 0)
		return r;
	if (mkdirat(work, tmp, st.st_mode & 07777) < 0)
		return -errno;
	fd = fdio_openat(work, tmp, O_RDONLY | O_DIRECTORY, 0);
	r = fd < 0 ? fd : xattrs_private_set(fd, XATTRS_OPAQUE, "y", 1);
	if (r == 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
		r = -errno;
	if (r == 0 && renameat2(work, tmp, m->to->ent->fd, m->spec->to,
				RENAME_EXCHANGE) < 0)
		r = -errno;
	if (r < 0)
		upper_discard(u, tmp);
	return r;
}

static int move_over_whiteouts(struct move *m, unsigned flags)
{
	const struct rename_spec *s = m->spec;
	int a = m->from->ent->fd, b = m->to->ent->fd;
	struct upper *u = m->o->upper;
	char tmp[UPPER_TMP_MAX];
	int r = clear_target(m, tmp);

	if (r < 0)
		return r;
	if (renameat2(a, s->from, b, s->to, flags) < 0) {
		r = -errno;
		renameat2(upper_workfd(u), tmp, b, s->to, RENAME_EXCHANGE);
	}
	upper_discard(u, tmp);
	return r;
}

/* Whose the guest's device is on disk: as if it were made at the old name. */
static int guest_owner(const struct move *m, struct charge_owner *out)
{
	struct stat dir;
	int r = fdio_stat(m->from->ent->fd, &dir);

	if (r < 0)
		return r;
	out->uid = ids_uid_in(&m->o->ids, m->spec->uid);
	out->gid = ids_gid_in(&m->o->ids, m->spec->gid);
	if (out->uid == IDS_INVALID || out->gid == IDS_INVALID)
		return -EOVERFLOW;
	if (dir.st_mode & S_ISGID)
		out->gid = dir.st_gid;
	if (m->o->opts->xattr_permissions)
		*out = (struct charge_owner){ 0, 0 };
	return 0;
}

/*
 * What the guest asked for by RENAME_WHITEOUT: a device 0:0 it can see. Made
 * in work before the rename, so that what may fail fails first.
 */
static int make_guest_whiteout(struct move *m)
{
	struct upper *u = m->o->upper;
	struct charge_owner owner;
	struct creds saved;
	int r = guest_owner(m, &owner);

	if (r < 0)
		return r;
	upper_tmpname(u, m->device);
	creds_enter(&saved, owner.uid, owner.gid, 0);
	r = mknodat(upper_workfd(u), m->device, S_IFCHR | 0600,
		    OVERLAY_GUEST_WHITEOUT) < 0
		    ? -errno
		    : 0;
	creds_leave(&saved);
	if (r < 0)
		m->device[0] = '\0';
	return r;
}

static int leave_guest_whiteout(struct move *m)
{
	if (renameat(upper_workfd(m->o->upper), m->device, m->from->ent->fd,
		     m->spec->from) < 0)
		return -errno;
	m->device[0] = '\0';
	return 0;
}

/* The rename as it was before it, after the device could not be placed. */
static int take_back(struct move *m, unsigned flags, int r)
{
	const struct rename_spec *s = m->spec;
	int a = m->from->ent->fd, b = m->to->ent->fd;

	if (!(flags & RENAME_EXCHANGE) && m->dst.inode) {
		log_warn("'%s' has a whiteout where a device was asked for: %s",
			 s->from, strerror(-r));
		return 0; /* what it replaced is gone */
	}
	return renameat2(b, s->to, a, s->from, RENAME_EXCHANGE) < 0 ||
			       (!(flags & RENAME_EXCHANGE) &&
				unlinkat(b, s->to, 0) < 0)
		       ? -EIO
		       : r;
}

/* For whoever does it again: what stood where. */
static void note(const struct move *m)
{
	struct slot_note n = { .kind = SLOT_MOVE };

	if (!slot_current())
		return;
	if (m->dst.inode && !(m->spec->flags & RENAME_EXCHANGE))
		names_victim_note(&m->dst, &n);
	else if (m->dst.inode)
		n.exchanged = m->dst.v.nodeid;
	n.moved = m->src.v.nodeid;
	n.from = upper_ino(m->from, m->spec->from);
	n.to = upper_ino(m->to, m->spec->to);
	slot_note(&n);
}

/*
 * The flags of the one call. A target that upper does not have must not have
 * come there meanwhile: nobody has pinned it for those who opened it. -EEXIST:
 * look again.
 */
static int effect_flags(const struct move *m, bool cover, unsigned *flags)
{
	*flags = cover ? RENAME_WHITEOUT : 0;
	/* A directory cannot replace a whiteout, but change places with it. */
	if (m->src_dir && m->at_to == NAMES_WHITEOUT)
		*flags = RENAME_EXCHANGE;
	if (!m->dst.inode || m->dst.named)
		return 0;
	*flags |= RENAME_NOREPLACE;
	return m->at_to == NAMES_ABSENT ? 0 : -EEXIST;
}

static int effect(struct move *m)
{
	const struct rename_spec *s = m->spec;
	int a = m->from->ent->fd, b = m->to->ent->fd;
	bool guest = s->flags & RENAME_WHITEOUT;
	bool cover = m->src.below || guest;
	unsigned flags;
	int r;

	if (s->flags & RENAME_EXCHANGE) {
		note(m);
		return renameat2(a, s->from, b, s->to, RENAME_EXCHANGE) < 0
			       ? -errno
			       : 0;
	}
	r = effect_flags(m, cover, &flags);
	if (r == 0 && guest)
		r = make_guest_whiteout(m);
	if (r < 0)
		return r;
	note(m);
	r = renameat2(a, s->from, b, s->to, flags) < 0 ? -errno : 0;
	if (m->dst_dir && m->dst.named && (r == -ENOTEMPTY || r == -EEXIST))
		r = move_over_whiteouts(m, flags);
	if (r < 0)
		return r;
	/* It hides nothing, and is seen by nobody. */
	if ((flags & RENAME_EXCHANGE) && !cover && unlinkat(a, s->from, 0) < 0)
		log_warn("a whiteout that hides nothing stays at '%s': %s",
			 s->from, strerror(errno));
	r = guest ? leave_guest_whiteout(m) : 0;
	return r < 0 ? take_back(m, flags, r) : 0;
}

static void commit(struct move *m)
{
	const struct rename_spec *s = m->spec;

	if (s->flags & RENAME_EXCHANGE)
		names_moved(m->from, m->dst.inode, s->from);
	else if (m->dst.inode)
		names_victim_gone(&m->dst);
	names_moved(m->to, m->src.inode, s->to);
	dirsnap_changed(m->o, s->from_dir);
	dirsnap_changed(m->o, s->to_dir);
}

/* Our predecessor's rename happened: what it had still to do afterwards. */
static int settle(struct move *m)
{
	const struct rename_spec *s = m->spec;
	enum names_state state;
	int r;

	if (s->flags & RENAME_EXCHANGE)
		return 0;
	r = names_state(m->from, s->from, &state);
	if (r < 0 || state != NAMES_WHITEOUT)
		return r;
	if (s->flags & RENAME_WHITEOUT) {
		r = make_guest_whiteout(m);
		return r < 0 ? r : leave_guest_whiteout(m);
	}
	r = lookup_below(m->o, &m->from->v, s->from);
	if (r != 0)
		return r < 0 ? r : 0;
	return unlinkat(m->from->ent->fd, s->from, 0) < 0 ? -errno : 0;
}

/* Did our predecessor come as far as the effect? Then *m is as it had it. */
static int done_before(struct move *m)
{
	const struct slot_note *n = slot_before(SLOT_MOVE);
	uint64_t from, to;
	int r = 0;

	if (!n)
		return 0;
	from = upper_ino(m->from, m->spec->from);
	to = upper_ino(m->to, m->spec->to);
	if (to != n->from || from == n->from ||
	    ((m->spec->flags & RENAME_EXCHANGE) && from != n->to))
		return 0;
	m->src.o = m->dst.o = m->o;
	m->src.inode = itable_get(m->o->inodes, n->moved);
	if (!m->src.inode)
		return -ESTALE;
	if (n->victim) {
		r = names_victim_noted(&m->dst, m->o, n);
	} else if (n->exchanged) {
		m->dst.inode = itable_get(m->o->inodes, n->exchanged);
		r = m->dst.inode ? 0 : -ESTALE;
	}
	if (r == 0)
		r = settle(m);
	return r < 0 ? r : 1;
}

/* To rename takes nothing more; the guest's device is made. */
static int ask(struct move *m, struct gate_pass *pass)
{
	struct charge_want want[2] = {
		{ .inodes = 1 },
		{ .space = gate_name_space(m->o) },
	};
	int r;

	if (!(m->spec->flags & RENAME_WHITEOUT))
		return gate_enter(pass, NULL, 0);
	r = guest_owner(m, &want[0].owner);
	if (r < 0)
		return r;
	gate_owner(m->o, m->spec->to_dir, &want[1].owner);
	return gate_enter(pass, want, 2);
}

static int look_and_move(struct move *m, struct gate_pass *pass)
{
	int r = names_victim_begin(&m->src, m->from, m->spec->from, false);

	if (r < 0)
		return r;
	m->src_dir = S_ISDIR(m->src.v.type);
	r = find_target(m);
	if (r == 0 && m->dst.inode == m->src.inode)
		return 0; /* two names of one file: nothing to do */
	if (r == 0)
		r = prepare(m);
	if (r == 0)
		r = ask(m, pass);
	if (r == 0) {
		gate_moves(m->o, m->src.inode);
		if (m->spec->flags & RENAME_EXCHANGE)
			gate_moves(m->o, m->dst.inode);
		r = effect(m);
	}
	return r < 0 ? r : 1;
}

/* It is an inode like any other that was made. */
static void count_guest_whiteout(struct move *m)
{
	const char *name = m->spec->from;
	struct stat shown, disk;
	OVERLAY_PIN(p, m->o);

	if (m->o->gate && fdio_statat(m->from->ent->fd, name, &disk) == 0 &&
	    disk.st_rdev == OVERLAY_GUEST_WHITEOUT &&
	    lookup_inode(m->o, m->spec->from_dir, name, &p.inode, &shown) == 0)
		gate_created(m->o, p.inode, &disk);
}

static int attempt(struct overlay *o, const struct rename_spec *spec,
		   struct names_dir *from, struct names_dir *to)
{
	__attribute__((cleanup(move_end))) struct move m = {
		.o = o, .spec = spec, .from = from, .to = to
	};
	GATE_PASS(pass, o);
	int r;

	m.src.pin = m.dst.pin = -1;
	r = gate_watch(&pass, spec->from_dir, from->ent->fd);
	if (r == 0)
		r = gate_watch(&pass, spec->to_dir, to->ent->fd);
	if (r == 0)
		r = done_before(&m);
	if (r == 0)
		r = look_and_move(&m, &pass);
	if (r <= 0)
		return r;
	commit(&m);
	if (spec->flags & RENAME_WHITEOUT)
		count_guest_whiteout(&m);
	upper_sync_names(o->upper, from->ent->fd);
	upper_sync_names(o->upper, to->ent->fd);
	return 0;
}

int rename_name(struct overlay *o, const struct rename_spec *spec)
{
	NAMES_DIR(from);
	NAMES_DIR(to);
	int r = names_check(o, spec->to);

	if (spec->flags &
	    ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (r == 0)
		r = names_dir_begin(&from, o, spec->from_dir);
	if (r == 0)
		r = names_dir_begin(&to, o, spec->to_dir);
	for (int tries = 0; r == 0 && tries < 8; tries++) {
		r = attempt(o, spec, &from, &to);
		if (r != -EEXIST || (spec->flags & RENAME_NOREPLACE))
			return r;
		r = tries < 7 ? 0 : r;
	}
	return r;
}
