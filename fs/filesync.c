/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/filesync.h"

#include <fcntl.h>
#include <string.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/itableset.h"
#include "fs/upper.h"

/*
 * A copied-up file has its name, and data of its own, since a moment ago
 * perhaps, and on ext4 a sync of the data alone makes sure of neither: after a
 * power cut the lower's data would show. So the first sync is a whole one.
 */
int filesync_fd(struct overlay *o, struct inode *i, int fd, bool datasync)
{
	uint32_t flags = itable_flags(o->inodes, i);
	bool whole = !datasync ||
		     (flags & (INODE_RECORD | INODE_SETTLED)) == INODE_RECORD;
	int r = upper_sync_asked(o->upper, fd, !whole);

	if (r < 0 || !whole || !(flags & INODE_RECORD) ||
	    (flags & (INODE_METACOPY | INODE_SETTLED)))
		return r;
	lock_acquire(&i->lock);
	itableset_flags_locked(o->inodes, i, INODE_SETTLED, 0);
	lock_release(&i->lock);
	return 0;
}

/* By the inode: what is open may be the lower's data. */
int filesync_upper(struct overlay *o, struct inode *i, bool datasync)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;

	itable_view(o->inodes, i, &v);
	if (!(v.flags & INODE_UPPER))
		return 0;
	fd = attr_open_meta(o, &v, O_RDONLY | O_NONBLOCK);
	return fd < 0 ? fd : filesync_fd(o, i, fd, datasync);
}

/*
 * msync(2) and writes by O_DSYNC do not come by us: it must be settled now.
 * What was emptied already shall not be refused: it is logged then.
 */
int filesync_settle(struct overlay *o, struct inode *i, int flags)
{
	uint32_t f = itable_flags(o->inodes, i);
	int r;

	if (!(f & INODE_RECORD) || (f & INODE_SETTLED))
		return 0;
	if ((flags & O_ACCMODE) != O_RDWR && !(flags & O_DSYNC))
		return 0;
	r = filesync_upper(o, i, false);
	if (r == 0 || !(flags & O_TRUNC))
		return r;
	log_error("syncing a file that was just emptied: %s", strerror(-r));
	return 0;
}
