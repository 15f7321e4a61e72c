/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/link.h"

#include <fcntl.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/copyup.h"
#include "fs/dirsnap.h"
#include "fs/gate.h"
#include "fs/itableset.h"
#include "fs/names.h"
#include "fs/upmark.h"

static int link_over(struct names_dir *d, int fd, const char *name)
{
	struct upper *u = d->o->upper;
	struct upper_place to = { d->ent->fd, name, true };
	char tmp[UPPER_TMP_MAX];
	int r;

	upper_tmpname(u, tmp);
	if (linkat(fd, "", upper_workfd(u), tmp, AT_EMPTY_PATH) < 0)
		return -errno;
	r = upper_publish(u, upper_workfd(u), tmp, false, &to);
	if (r < 0)
		upper_discard(u, tmp);
	return r;
}

/* The directory may grow. */
static int ask(struct gate_pass *p, struct inode *parent)
{
	struct charge_want want = { .space = gate_name_space(p->o) };

	gate_owner(p->o, parent, &want.owner);
	return gate_enter(p, &want, 1);
}

static void commit(struct names_dir *d, struct inode *i, const char *name)
{
	struct itable *t = d->o->inodes;

	if (itable_flags(t, i) & INODE_UNLINKED) {
		lock_acquire(&i->lock);
		itableset_flags_locked(t, i, 0, INODE_UNLINKED);
		itableset_pin_locked(t, i, -1);
		lock_release(&i->lock);
		gate_doom(d->o, i, false);
	}
	names_moved(d, i, name);
	dirsnap_changed(d->o, d->inode);
}

int link_name(struct overlay *o, struct inode *i, struct inode *parent,
	      const char *name, struct stat *st)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	struct stat now;
	NAMES_DIR(d);
	GATE_PASS(pass, o);
	int r = names_check(o, name);
	bool over;

	if (r == 0)
		r = copyup(o, i, COPYUP_META);
	if (r == 0)
		r = upmark_found(o, i);
	if (r == 0)
		r = names_dir_begin(&d, o, parent);
	if (r == 0)
		r = gate_watch(&pass, parent, d.ent->fd);
	if (r == 0)
		r = names_vacancy(&d, name);
	if (r == -EEXIST && slot_before(SLOT_VACANT)) {
		commit(&d, i, name);
		return attr_get(o, i, st);
	}
	if (r < 0)
		return r;
	slot_note_kind(SLOT_VACANT);
	itable_view(o->inodes, i, &v);
	fd = attr_open_meta(o, &v, O_PATH);
	if (fd < 0)
		return fd;
	if (v.flags & INODE_RECORD) {
		int impure = upmark_impure(o, parent);

		if (impure < 0)
			return impure;
	}
	over = r > 0;
	r = ask(&pass, parent);
	if (r < 0)
		return r;
	gate_moves(o, i);
	/* Nothing may fail after the effect. */
	r = attr_of_fd(o, &v, fd, st);
	if (r < 0)
		return r;
	if (over)
		r = link_over(&d, fd, name);
	else
		r = linkat(fd, "", d.ent->fd, name, AT_EMPTY_PATH) < 0 ? -errno
								       : 0;
	if (r < 0)
		return r;
	commit(&d, i, name);
	st->st_nlink++;
	if (fdio_stat(fd, &now) == 0)
		st->st_ctim = now.st_ctim;
	upper_sync_names(o->upper, d.ent->fd);
	return 0;
}
