/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/meta.h"

#include <fcntl.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/dirlayer.h"
#include "fs/xattrs.h"

/* How to open an inode so that it says most with fewest system calls. */
static int flags_for(uint32_t type)
{
	if (S_ISDIR(type))
		return O_RDONLY | O_DIRECTORY;
	/* Where it can be opened for real, that saves a walk through /proc. */
	return S_ISREG(type) ? O_RDONLY | O_NONBLOCK : O_PATH | O_NOFOLLOW;
}

int meta_open_lower(struct overlay *o, const struct itable_view *v,
		    struct meta *m)
{
	itable_view_lower(v, 0, &m->ref);
	m->l = overlay_layer(o, &m->ref);
	if (m->l->ops->xattr)
		return 0;
	m->fd = m->l->ops->open(m->l, &m->ref, flags_for(v->type));
	return m->fd < 0 ? m->fd : 0;
}

int meta_open(struct overlay *o, const struct itable_view *v, struct meta *m)
{
	if (v->pin < 0 && !(v->flags & INODE_UPPER))
		return meta_open_lower(o, v, m);
	m->fd = attr_open_meta(o, v, flags_for(v->type));
	return m->fd < 0 ? m->fd : 0;
}

void meta_close(struct meta *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

int meta_stat(const struct meta *m, struct stat *st)
{
	if (m->fd < 0)
		return m->l->ops->stat(m->l, &m->ref, st);
	return m->l ? dirlayer_stat(m->l, m->fd, st) : fdio_stat(m->fd, st);
}

ssize_t meta_readlink(const struct meta *m, char *buf, size_t size)
{
	ssize_t n;

	if (m->fd < 0)
		return m->l->ops->readlink(m->l, &m->ref, buf, size);
	n = readlinkat(m->fd, "", buf, size);
	return n < 0 ? -errno : n;
}

ssize_t meta_xattr(const struct meta *m, const char *name, void *buf,
		   size_t size)
{
	char mapped[XATTRS_NAME_MAX];
	const char *disk;

	if (m->fd < 0)
		return m->l->ops->xattr(m->l, &m->ref, name, buf, size);
	disk = xattrs_to_disk(name, mapped);
	return disk ? xattrio_get(m->fd, disk, buf, size) : -ENODATA;
}

/* All names, as listxattr(2) gives them; *names is the caller's to free. */
static ssize_t list(const struct meta *m, char **names)
{
	_cleanup_free_ char *buf = NULL;
	ssize_t n;

	if (m->fd >= 0) {
		n = xattrio_dup(m->fd, NULL, names);
		return n == -EOPNOTSUPP ? 0 : n;
	}
	n = m->l->ops->xattr(m->l, &m->ref, NULL, NULL, 0);
	if (n <= 0)
		return n;
	buf = malloc((size_t)n);
	if (!buf)
		return -ENOMEM;
	n = m->l->ops->xattr(m->l, &m->ref, NULL, buf, (size_t)n);
	if (n > 0)
		*names = TAKE_PTR(buf);
	return n;
}

int meta_xattrs(const struct meta *m, int (*fn)(void *ctx, const char *name),
		void *ctx)
{
	_cleanup_free_ char *names = NULL;
	ssize_t n = list(m, &names);
	char mapped[XATTRS_NAME_MAX];
	int r = 0;

	if (n < 0)
		return (int)n;
	for (const char *p = names; p && r == 0 && p < names + n;
	     p += strlen(p) + 1) {
		const char *guest = m->fd < 0 ? p : xattrs_to_guest(p, mapped);

		if (guest)
			r = fn(ctx, guest);
	}
	return r;
}

struct copying {
	const struct meta *m;
	int fd;
};

static int copy_one(void *ctx, const char *name)
{
	const struct copying *c = ctx;
	char mapped[XATTRS_NAME_MAX];
	const char *disk = xattrs_to_disk(name, mapped);
	_cleanup_free_ char *value = NULL;
	ssize_t n = meta_xattr(c->m, name, NULL, 0);

	if (n < 0 || !disk)
		return n == -ENODATA ? 0 : n < 0 ? (int)n : -ERANGE;
	value = malloc((size_t)n + 1);
	if (!value)
		return -ENOMEM;
	n = meta_xattr(c->m, name, value, (size_t)n);
	return n < 0 ? (int)n : xattrs_put(c->fd, disk, value, (size_t)n);
}

int meta_copy_xattrs(const struct meta *m, int fd)
{
	struct copying c = { .m = m, .fd = fd };

	return m->fd >= 0 ? xattrs_copy(m->fd, fd)
			  : meta_xattrs(m, copy_one, &c);
}
