/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/late.h"

#include <pthread.h>
#include <stdlib.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"

/*
 * inode->late is the time of its last change, in seconds, 0 when nobody keeps
 * it here; whoever makes it 0 gives the pin back. The ring has indexes in the
 * order in which they came; one whose inode is dropped meanwhile stays, and
 * means nothing, or the inode that got the index after it a little early.
 *
 * The kernel writes back what is dirty for 30 s, looking every 5 s.
 */
#define SECONDS_OLD 45u
#define PAUSE_MS 15000
#define RING (1u << 17)

struct late {
	pthread_mutex_t lock;
	uint32_t *ring;
	uint32_t first, n;
};

static uint32_t seconds(void)
{
	return (uint32_t)(clock_coarse() / CLOCK_S) + 1;
}

struct late *late_new(void)
{
	struct late *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->ring = calloc(RING, sizeof(*l->ring));
	if (!l->ring) {
		free(l);
		return NULL;
	}
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void late_free(struct late *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l->ring);
	free(l);
}

static bool push(struct late *l, uint32_t index)
{
	bool room;

	pthread_mutex_lock(&l->lock);
	room = l->n < RING;
	if (room)
		l->ring[(l->first + l->n++) % RING] = index;
	pthread_mutex_unlock(&l->lock);
	return room;
}

/* The first, 0: none is left of the `*left` that there were. */
static uint32_t pop(struct late *l, uint32_t *left)
{
	uint32_t index = 0;

	pthread_mutex_lock(&l->lock);
	if (*left > 0 && l->n > 0) {
		index = l->ring[l->first];
		l->first = (l->first + 1) % RING;
		l->n--;
		--*left;
	}
	pthread_mutex_unlock(&l->lock);
	return index;
}

void late_add(struct overlay *o, struct late *l, struct inode *i)
{
	if (atomic_exchange(&i->late, seconds()) != 0)
		return;
	itable_pin(o->inodes, i);
	if (!push(l, itable_index(o->inodes, i)))
		late_drop(o, i);
}

void late_drop(struct overlay *o, struct inode *i)
{
	if (atomic_exchange(&i->late, 0) != 0)
		itable_unpin(o->inodes, i);
}

int late_look(struct overlay *o, struct late *l,
	      void (*look)(struct overlay *o, struct inode *i))
{
	uint32_t now = seconds(), left, index;

	pthread_mutex_lock(&l->lock);
	left = l->n;
	pthread_mutex_unlock(&l->lock);
	while ((index = pop(l, &left)) != 0) {
		struct inode *i = itable_get_index(o->inodes, index);
		uint32_t then = i ? atomic_load(&i->late) : 0;

		if (then && now - then < SECONDS_OLD && push(l, index)) {
			itable_unpin(o->inodes, i);
			continue;
		}
		if (then) {
			look(o, i);
			late_drop(o, i);
		}
		itable_unpin(o->inodes, i);
	}
	pthread_mutex_lock(&l->lock);
	left = l->n;
	pthread_mutex_unlock(&l->lock);
	return left ? PAUSE_MS : -1;
}
