/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/exattr.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fs/attr.h"
#include "fs/change.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/copyup.h"
#include "fs/datafill.h"
#include "fs/gate.h"
#include "fs/meta.h"
#include "fs/override.h"
#include "fs/slot.h"
#include "fs/turn.h"
#include "fs/xattrs.h"

static bool is_acl(const char *name)
{
	return strncmp(name, "system.posix_acl_", 17) == 0;
}

static bool is_caps(const char *name)
{
	return strcmp(name, "security.capability") == 0;
}

/* Ours under xattr_permissions=2, then. */
static bool is_override(const struct overlay *o, const char *name)
{
	return o->opts->xattr_permissions && strcmp(name, OVERRIDE_XATTR) == 0;
}

static int refuse(const struct overlay *o, const char *name)
{
	if (o->opts->noxattrs)
		return -EOPNOTSUPP;
	if (o->opts->noacl && is_acl(name))
		return -EOPNOTSUPP;
	if (is_override(o, name))
		return -ENODATA;
	return 0;
}

static int open_meta(struct overlay *o, struct inode *i, uint32_t *type)
{
	struct itable_view v;

	itable_view(o->inodes, i, &v);
	*type = v.type;
	if (S_ISDIR(v.type))
		return attr_open_meta(o, &v, O_RDONLY | O_DIRECTORY);
	/* Where it can be opened for real, that saves a walk through /proc. */
	if (S_ISREG(v.type))
		return attr_open_meta(o, &v, O_RDONLY | O_NONBLOCK);
	return attr_open_meta(o, &v, O_PATH);
}

/* Values with ids in them are read whole, translated, then handed out. */
static ssize_t get_translated(struct overlay *o, const struct meta *m,
			      const char *name, void *buf, size_t size)
{
	_cleanup_free_ char *value = NULL;
	ssize_t n = meta_xattr(m, name, NULL, 0);

	if (n < 0)
		return n;
	value = malloc((size_t)n + IDS_CAPS_MAX);
	if (!value)
		return -ENOMEM;
	n = meta_xattr(m, name, value, (size_t)n);
	if (n >= 0)
		n = ids_xattr_out(&o->ids, name, value, (size_t)n);
	if (n < 0 || size == 0)
		return n;
	if ((size_t)n > size)
		return -ERANGE;
	memcpy(buf, value, (size_t)n);
	return n;
}

static bool has_ids(const struct overlay *o, const char *name)
{
	return !ids_are_identity(&o->ids) && (is_acl(name) || is_caps(name));
}

ssize_t exattr_get(struct overlay *o, struct inode *i, const char *name,
		   void *buf, size_t size)
{
	ssize_t n = refuse(o, name);
	struct itable_view v;
	META(m);

	if (n < 0)
		return n;
	if (itable_flags(o->inodes, i) & INODE_BARE)
		return -ENODATA;
	itable_view(o->inodes, i, &v);
	n = meta_open(o, &v, &m);
	if (n < 0)
		return n;
	if (is_caps(name))
		datafill_caps_look(o, i, &v, m.fd);
	return has_ids(o, name) ? get_translated(o, &m, name, buf, size)
				: meta_xattr(&m, name, buf, size);
}

struct listing {
	const struct overlay *o;
	char *buf;
	size_t size, used;
};

static int list_one(void *ctx, const char *name)
{
	struct listing *l = ctx;
	size_t len = strlen(name) + 1;

	if ((l->o->opts->noacl && is_acl(name)) || is_override(l->o, name))
		return 0;
	if (l->size > 0 && l->used + len > l->size)
		return -ERANGE;
	if (l->size > 0)
		memcpy(l->buf + l->used, name, len);
	l->used += len;
	return 0;
}

ssize_t exattr_list(struct overlay *o, struct inode *i, char *buf, size_t size)
{
	struct listing l = { .o = o, .size = size };
	struct itable_view v;
	META(m);
	int r;

	if (o->opts->noxattrs)
		return 0;
	l.buf = buf;
	itable_view(o->inodes, i, &v);
	r = meta_open(o, &v, &m);
	if (r == 0)
		datafill_caps_look(o, i, &v, m.fd);
	if (r == 0)
		r = meta_xattrs(&m, list_one, &l);
	return r < 0 ? r : (ssize_t)l.used;
}

static int drop_sgid(int fd)
{
	struct stat st;
	int r = fdio_stat(fd, &st);

	if (r < 0 || !(st.st_mode & S_ISGID))
		return r;
	return fdio_chmod(fd, st.st_mode & 07777 & ~S_ISGID);
}

/* XATTR_CREATE fails the second time; our predecessor's success is ours. */
static int set_once(int fd, const char *disk, const char *value, size_t size,
		    int flags)
{
	bool again = slot_before(SLOT_UNSET);
	int r;

	if (!(flags & XATTR_CREATE))
		return xattrio_set(fd, disk, value, size, flags);
	if (!again) {
		if (xattrio_get(fd, disk, NULL, 0) >= 0)
			return -EEXIST;
		slot_note_kind(SLOT_UNSET);
	}
	r = xattrio_set(fd, disk, value, size, flags);
	return r == -EEXIST && again ? 0 : r;
}

/* It may get a block of its own. */
static int ask(struct gate_pass *p, struct inode *i, int fd, size_t size)
{
	struct charge_want want = { .space = 0 };
	int r = gate_watch(p, i, fd);

	if (r < 0 || !p->o->gate)
		return r;
	if (!gate_fs(p->o->gate)->xattr_block)
		return gate_enter(p, NULL, 0);
	want.space = gate_round(p->o, size ? size : 1);
	gate_owner(p->o, i, &want.owner);
	return gate_enter(p, &want, 1);
}

int exattr_set(struct overlay *o, struct inode *i, const char *name,
	       const struct exattr_value *value)
{
	char mapped[XATTRS_NAME_MAX];
	const char *disk = xattrs_to_disk(name, mapped);
	_cleanup_free_ char *copy = NULL;
	_cleanup_close_ int fd = -1;
	TURN(turn);
	GATE_PASS(pass, o);
	uint32_t type;
	ssize_t n;
	int r = refuse(o, name);

	if (r == -ENODATA)
		return -EPERM;
	if (r < 0 || !disk)
		return r < 0 ? r : -ERANGE;
	copy = malloc(value->size + IDS_CAPS_MAX);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, value->data, value->size);
	n = ids_xattr_in(&o->ids, name, copy, value->size);
	r = n < 0 ? (int)n : copyup(o, i, COPYUP_META);
	if (r < 0)
		return r;
	if (is_caps(name))
		turn = turn_take(i);
	fd = open_meta(o, i, &type);
	r = fd < 0 ? fd : ask(&pass, i, fd, (size_t)n);
	if (r < 0)
		return r;
	change_not_plain(o, i);
	/* That it is gone does no harm if the rest fails. */
	r = value->kill_sgid ? drop_sgid(fd) : 0;
	if (r == 0)
		r = set_once(fd, disk, copy, (size_t)n, value->flags);
	return r == 0 && turn ? datafill_caps_changed(fd) : r;
}

int exattr_remove(struct overlay *o, struct inode *i, const char *name)
{
	char mapped[XATTRS_NAME_MAX];
	const char *disk = xattrs_to_disk(name, mapped);
	_cleanup_close_ int fd = -1;
	TURN(turn);
	GATE_PASS(pass, o);
	uint32_t type;
	ssize_t n = refuse(o, name);
	int r;

	if (n < 0 || !disk)
		return n < 0 ? (int)n : -ENODATA;
	if (!o->upper)
		return -EROFS;
	/* Removing what is not there must not copy anything up. */
	n = exattr_get(o, i, name, NULL, 0);
	if (n == -ENODATA && slot_before(SLOT_THERE))
		return 0;
	if (n < 0)
		return (int)n;
	slot_note_kind(SLOT_THERE);
	r = copyup(o, i, COPYUP_META);
	if (r < 0)
		return r;
	if (is_caps(name))
		turn = turn_take(i);
	fd = open_meta(o, i, &type);
	r = fd < 0 ? fd : gate_watch(&pass, i, fd);
	if (r == 0)
		r = gate_enter(&pass, NULL, 0);
	if (r == 0)
		r = xattrio_remove(fd, disk);
	return r == 0 && turn ? datafill_caps_changed(fd) : r;
}
