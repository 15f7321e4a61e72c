/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fileseek.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/fdio.h"

/* Handles through which somebody may have the inode mapped to store into. */
struct mappers {
	uint64_t nodeid;
	unsigned n;
};

static void add_mapper(void *ctx, const struct handle *h)
{
	struct mappers *m = ctx;

	m->n += h->nodeid == m->nodeid && (h->flags & O_ACCMODE) == O_RDWR;
}

static bool is_alone(struct overlay *o, const struct handle *h)
{
	OVERLAY_PIN(p, o);
	bool alone;

	p.inode = itable_get(o->inodes, h->nodeid);
	if (!p.inode)
		return false;
	lock_acquire(&p.inode->lock);
	alone = p.inode->n_cached == 1;
	lock_release(&p.inode->lock);
	return alone;
}

/*
 * The kernel does not write back what is stored in its own cache before it
 * asks us: the file that we have may lack it, wherever that is. Not so by
 * passthrough, where the mapping is the file's. Whoever holds a mapping holds
 * its handle, and with the last of these all has been written.
 */
static bool may_lack_stores(struct overlay *o, const struct handle *h)
{
	struct mappers m = { .nodeid = h->nodeid };

	if (h->pass)
		return false;
	if ((h->flags & O_ACCMODE) == O_RDWR)
		return true;
	/* Most have it for themselves: the table is not looked through. */
	if (!is_alone(o, h))
		htable_each(o->handles, add_mapper, &m);
	return m.n > 0;
}

/* As of a filesystem that knows of no holes. */
static off_t seek_dense(int fd, off_t off, int whence)
{
	struct stat st;
	int r = fdio_stat(fd, &st);

	if (r < 0)
		return r;
	if (off < 0 || off >= st.st_size)
		return -ENXIO;
	return whence == SEEK_DATA ? off : st.st_size;
}

off_t fileseek(struct overlay *o, const struct handle *h, int fd, off_t off,
	       int whence)
{
	off_t r;

	if ((whence == SEEK_DATA || whence == SEEK_HOLE) &&
	    may_lack_stores(o, h))
		return seek_dense(fd, off, whence);
	r = lseek(fd, off, whence);
	return r < 0 ? -errno : r;
}
