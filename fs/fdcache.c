/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fdcache.h"

#include <pthread.h>
#include <sys/queue.h>

#include "fs/base/cleanup.h"

/*
 * Invariants, under `lock`: an entry is in its bucket while `hashed`; it is in
 * the LRU list exactly while it is hashed and nobody borrows it; an entry that
 * is neither hashed nor borrowed does not exist.
 */
#define FDCACHE_BUCKETS 256u

struct slot {
	struct fdcache_ent pub;
	struct ref key;
	unsigned users;
	bool hashed;
	LIST_ENTRY(slot) bucket;
	TAILQ_ENTRY(slot) lru;
};

struct fdcache {
	pthread_mutex_t lock;
	unsigned idle, max;
	LIST_HEAD(, slot) buckets[FDCACHE_BUCKETS];
	TAILQ_HEAD(, slot) lru;
};

static struct slot *find_locked(struct fdcache *c, const struct ref *key)
{
	struct slot *s;

	LIST_FOREACH(s, &c->buckets[ref_hash(key) % FDCACHE_BUCKETS], bucket)
	{
		if (ref_same(&s->key, key))
			return s;
	}
	return NULL;
}

static void borrow_locked(struct fdcache *c, struct slot *s)
{
	if (s->users++ == 0) {
		TAILQ_REMOVE(&c->lru, s, lru);
		c->idle--;
	}
}

static void unhash_locked(struct fdcache *c, struct slot *s)
{
	LIST_REMOVE(s, bucket);
	s->hashed = false;
	if (s->users == 0) {
		TAILQ_REMOVE(&c->lru, s, lru);
		c->idle--;
	}
}

static void destroy(struct slot *s)
{
	if (s) {
		close(s->pub.fd);
		free(s);
	}
}

struct fdcache *fdcache_new(unsigned max)
{
	struct fdcache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->lru);
	c->max = max;
	return c;
}

void fdcache_clear(struct fdcache *c)
{
	struct slot *s;

	pthread_mutex_lock(&c->lock);
	while ((s = TAILQ_FIRST(&c->lru)) != NULL) {
		unhash_locked(c, s);
		destroy(s);
	}
	pthread_mutex_unlock(&c->lock);
}

void fdcache_free(struct fdcache *c)
{
	if (!c)
		return;
	fdcache_clear(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct fdcache_ent *fdcache_get(struct fdcache *c, const struct ref *key)
{
	struct slot *s;

	pthread_mutex_lock(&c->lock);
	s = find_locked(c, key);
	if (s)
		borrow_locked(c, s);
	pthread_mutex_unlock(&c->lock);
	return s ? &s->pub : NULL;
}

struct fdcache_ent *fdcache_add(struct fdcache *c, const struct ref *key,
				int fd)
{
	struct slot *s, *fresh = calloc(1, sizeof(*fresh));

	if (!fresh) {
		close(fd);
		return NULL;
	}
	fresh->pub.fd = fd;
	fresh->key = *key;

	pthread_mutex_lock(&c->lock);
	s = find_locked(c, key);
	if (s) {
		borrow_locked(c, s);
	} else {
		s = fresh;
		fresh = NULL;
		s->users = 1;
		s->hashed = true;
		LIST_INSERT_HEAD(&c->buckets[ref_hash(key) % FDCACHE_BUCKETS],
				 s, bucket);
	}
	pthread_mutex_unlock(&c->lock);
	destroy(fresh);
	return &s->pub;
}

void fdcache_put(struct fdcache *c, struct fdcache_ent *e)
{
	struct slot *s = (struct slot *)e, *gone = NULL;

	if (!s)
		return;
	pthread_mutex_lock(&c->lock);
	if (--s->users == 0) {
		if (!s->hashed) {
			gone = s;
		} else {
			TAILQ_INSERT_TAIL(&c->lru, s, lru);
			if (++c->idle > c->max) {
				gone = TAILQ_FIRST(&c->lru);
				unhash_locked(c, gone);
			}
		}
	}
	pthread_mutex_unlock(&c->lock);
	destroy(gone);
}

void fdcache_drop(struct fdcache *c, const struct ref *key)
{
	struct slot *s;

	pthread_mutex_lock(&c->lock);
	s = find_locked(c, key);
	if (s) {
		unhash_locked(c, s);
		if (s->users > 0)
			s = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	destroy(s);
}
