/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/remove.h"

#include <fcntl.h>

#include "fs/base/cleanup.h"
#include "fs/dirsnap.h"
#include "fs/gate.h"
#include "fs/names.h"

/* Whether it is empty upper's filesystem knows, but for whiteouts. */
static bool is_uppers_alone(const struct names_victim *vi)
{
	return vi->named && !vi->below && vi->v.n_lower == 0;
}

static int check_empty(struct overlay *o, const struct names_victim *vi)
{
	int r = dirsnap_is_empty(o, &vi->v);

	return r == 0 ? -ENOTEMPTY : r < 0 ? r : 0;
}

static int check(struct overlay *o, const struct names_victim *vi, bool is_dir)
{
	if (!is_dir)
		return S_ISDIR(vi->v.type) ? -EISDIR : 0;
	if (!S_ISDIR(vi->v.type))
		return -ENOTDIR;
	return is_uppers_alone(vi) ? 0 : check_empty(o, vi);
}

static int remove_dir(struct names_dir *d, const struct names_victim *vi,
		      const char *name)
{
	int r;

	if (is_uppers_alone(vi)) {
		if (unlinkat(d->ent->fd, name, AT_REMOVEDIR) == 0)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -errno;
		r = check_empty(d->o, vi);
		if (r < 0)
			return r;
	}
	return upper_retire_dir(d->o->upper, d->ent->fd, name);
}

static int effect(struct names_dir *d, const struct names_victim *vi,
		  const char *name, bool is_dir)
{
	struct upper *u = d->o->upper;

	if (!vi->named)
		return upper_whiteout(u, d->ent->fd, name);
	if (vi->below)
		return upper_cover(u, d->ent->fd, name, is_dir);
	if (is_dir)
		return remove_dir(d, vi, name);
	return unlinkat(d->ent->fd, name, 0) < 0 ? -errno : 0;
}

/* Did our predecessor come as far as the effect? Then `vi` is its victim. */
static int done_before(struct names_dir *d, const char *name,
		       struct names_victim *vi)
{
	const struct slot_note *n = slot_before(SLOT_VICTIM);
	enum names_state state;
	int r;

	if (!n)
		return 0;
	r = names_state(d, name, &state);
	if (r < 0)
		return r;
	if (state != NAMES_WHITEOUT && !(n->named && state == NAMES_ABSENT))
		return 0;
	r = names_victim_noted(vi, d->o, n);
	return r < 0 ? r : 1;
}

static int attempt(struct names_dir *d, const char *name, bool is_dir)
{
	struct slot_note note = { .kind = SLOT_VICTIM };
	NAMES_VICTIM(vi);
	GATE_PASS(pass, d->o);
	int r = gate_watch(&pass, d->inode, d->ent->fd);

	if (r == 0)
		r = done_before(d, name, &vi);
	if (r == 0) {
		r = names_victim_begin(&vi, d, name, true);
		if (r == 0)
			r = check(d->o, &vi, is_dir);
		if (r == 0) {
			names_victim_note(&vi, &note);
			slot_note(&note);
			gate_enter(&pass, NULL, 0);
			r = effect(d, &vi, name, is_dir);
		}
	}
	if (r < 0)
		return r;
	names_victim_gone(&vi);
	dirsnap_changed(d->o, d->inode);
	upper_sync_names(d->o->upper, d->ent->fd);
	return 0;
}

int remove_name(struct overlay *o, struct inode *parent, const char *name,
		bool is_dir)
{
	NAMES_DIR(d);
	GATE_FORCED();
	int r = names_check(o, "");

	if (r == 0)
		r = names_dir_begin(&d, o, parent);
	if (r < 0)
		return r;
	for (int tries = 0; tries < 8; tries++) {
		r = attempt(&d, name, is_dir);
		/* It was copied up while we looked: look again. */
		if (r != -EEXIST)
			break;
	}
	return r;
}
