/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/backing.h"

#include <pthread.h>
#include <sys/ioctl.h>

#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/log.h"
#include "fs/itablerecover.h"
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
 * Lock order: inode lock -> registering, inode lock -> ring lock.
 */
#define RING 128u

struct backing {
	int channel;
	pthread_mutex_t registering;
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
	pthread_mutex_init(&b->registering, NULL);
	return b;
}

void backing_free(struct backing *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	pthread_mutex_destroy(&b->registering);
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

static int do_register(const struct backing *b, int fd)
{
	struct backing_map map = { .fd = fd };
	int id = ioctl(b->channel, BACKING_OPEN, &map);

	return id > 0 ? id : id < 0 ? -errno : -EIO;
}

int backing_get_locked(struct overlay *o, struct inode *i, int fd)
{
	struct backing *b = o->backing;
	int32_t id = itableset_backing_get_locked(o->inodes, i);

	if (id > 0)
		return id;
	pthread_mutex_lock(&b->registering);
	itableset_backing_intent(o->inodes, true);
	id = do_register(b, fd);
	CRASH_POINT(BACKING_OPENED);
	if (id > 0)
		itableset_backing_locked(o->inodes, i, id);
	itableset_backing_intent(o->inodes, false);
	pthread_mutex_unlock(&b->registering);
	/* Not for us, nor later: root of a user namespace. */
	if (id == -EPERM)
		b->channel = -1;
	return id;
}

static void unregister(const struct overlay *o, int32_t id)
{
	uint32_t arg = (uint32_t)id;

	if (ioctl(o->backing->channel, BACKING_CLOSE, &arg) < 0 &&
	    errno != ENODEV && errno != ENOTCONN)
		log_debug("backing id %d: %s", id, strerror(errno));
	CRASH_POINT(BACKING_CLOSED);
}

void backing_drop_locked(struct overlay *o, struct inode *i)
{
	int32_t id = itableset_backing_get_locked(o->inodes, i);

	if (id <= 0)
		return;
	/* Negative: on its way out, for whoever finds it after a crash. */
	itableset_backing_locked(o->inodes, i, -id);
	unregister(o, id);
	itableset_backing_locked(o->inodes, i, 0);
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

/* Numbers are given in a circle: what is lost lies before the next one. */
#define LOST_MOST 64

void backing_recover(struct overlay *o, int fd)
{
	int32_t last = itablerecover_backing(o->inodes);
	int next;

	if (last < 0 || !backing_available(o->backing))
		return;
	next = do_register(o->backing, fd);
	if (next < 0)
		return;
	unregister(o, next);
	for (int32_t id = last + 1; id < next && id <= last + LOST_MOST; id++)
		unregister(o, id);
}
