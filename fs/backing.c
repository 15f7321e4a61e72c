/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/backing.h"

#include <pthread.h>
#include <sys/ioctl.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/itableset.h"

/* From include/uapi/linux/fuse.h of Linux 6.9. */
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define BACKING_OPEN _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)

/*
 * `ring` holds the nodeids of inodes whose backing id was unused at some time,
 * oldest first; `in_ring` of an inode says that it is in there. Whoever
 * falls out and is still unused is unregistered.
 *
 * Lock order: inode lock -> ring lock.
 */
#define RING 128u

struct backing {
	int channel;
	pthread_mutex_t lock;
	uint64_t ring[RING];
	unsigned at;
};

struct backing *backing_new(void)
{
	struct backing *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->channel = -1;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void backing_free(struct backing *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void backing_set_channel(struct backing *b, int fd)
{
	b->channel = fd;
}

bool backing_available(const struct backing *b)
{
	return b->channel >= 0;
}

int backing_get_locked(struct overlay *o, struct inode *i, int fd)
{
	struct backing_map map = { .fd = fd };
	int32_t id = itableset_backing_get_locked(o->inodes, i);

	if (id > 0)
		return id;
	id = ioctl(o->backing->channel, BACKING_OPEN, &map);
	if (id < 0 && errno == EPERM) {
		/* Not for us, nor later: root of a user namespace. */
		o->backing->channel = -1;
		return -EPERM;
	}
	if (id <= 0)
		return id < 0 ? -errno : -EIO;
	itableset_backing_locked(o->inodes, i, id);
	return id;
}

static void unregister(const struct overlay *o, int32_t id)
{
	uint32_t arg = (uint32_t)id;

	if (ioctl(o->backing->channel, BACKING_CLOSE, &arg) < 0 &&
	    errno != ENODEV && errno != ENOTCONN)
		log_debug("backing id %d: %s", id, strerror(errno));
}

void backing_drop_locked(struct overlay *o, struct inode *i)
{
	int32_t id = itableset_backing_get_locked(o->inodes, i);

	if (id <= 0)
		return;
	itableset_backing_locked(o->inodes, i, 0);
	unregister(o, id);
}

void backing_forget_idle(struct overlay *o, struct inode *i)
{
	lock_acquire(&i->lock);
	if (i->n_pass == 0)
		backing_drop_locked(o, i);
	lock_release(&i->lock);
}

void backing_idle(struct overlay *o, struct inode *i)
{
	struct backing *b = o->backing;
	OVERLAY_PIN(old, o);
	uint64_t out = 0;

	pthread_mutex_lock(&b->lock);
	if (!i->in_ring) {
		i->in_ring = 1;
		out = b->ring[b->at];
		b->ring[b->at] = itable_nodeid(o->inodes, i);
		b->at = (b->at + 1) % RING;
	}
	pthread_mutex_unlock(&b->lock);
	if (!out)
		return;
	old.inode = itable_get(o->inodes, out);
	if (!old.inode)
		return;
	pthread_mutex_lock(&b->lock);
	old.inode->in_ring = 0;
	pthread_mutex_unlock(&b->lock);
	backing_forget_idle(o, old.inode);
}

void backing_gone(struct overlay *o, int32_t id)
{
	if (id > 0 && backing_available(o->backing))
		unregister(o, id);
}
