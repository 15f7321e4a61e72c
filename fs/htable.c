/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/htable.h"

#include <pthread.h>

#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/shm.h"

/*
 * A number is (generation << 32 | index); handle 0's place holds the header.
 * Free handles below `high` form a stack by next_free.
 */
#define MAX_HANDLES (4u << 20)

struct htable_header {
	uint32_t layout;
	_Atomic uint32_t high;
	uint32_t generation;
	uint32_t first_free;
	uint32_t count;
};

_Static_assert(sizeof(struct htable_header) <= sizeof(struct handle),
	       "the header takes one place");

struct htable {
	pthread_mutex_t lock;
	struct shm mem;
	struct htable_header *head;
	struct handle *handles;
};

#define BYTES (MAX_HANDLES * sizeof(struct handle))

struct htable *htable_new(int fd)
{
	struct htable *t = calloc(1, sizeof(*t));
	int r;

	if (!t) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	r = fd < 0 ? shm_new(&t->mem, "vefs-handles", BYTES)
		   : shm_attach(&t->mem, fd, BYTES);
	if (r < 0) {
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	t->head = t->mem.base;
	t->handles = t->mem.base;
	if (fd < 0) {
		t->head->layout = HTABLE_LAYOUT;
		t->head->high = 1;
		t->head->generation = 1;
	}
	return t;
}

int htable_fd(const struct htable *t)
{
	return t->mem.fd;
}

static void close_fd(struct handle *h)
{
	int fd = h->fd - 1;

	h->fd = 0;
	if (fd >= 0)
		close(fd);
}

void htable_free(struct htable *t)
{
	if (!t)
		return;
	for (uint32_t i = 1; i < t->head->high; i++) {
		if (t->handles[i].generation)
			close_fd(&t->handles[i]);
	}
	shm_free(&t->mem);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

uint64_t htable_add(struct htable *t, const struct handle *like, int fd)
{
	struct handle *h;
	uint32_t x, gen;

	pthread_mutex_lock(&t->lock);
	x = t->head->first_free;
	if (x)
		t->head->first_free = t->handles[x].next_free;
	else if (t->head->high < MAX_HANDLES)
		x = t->head->high++;
	gen = t->head->generation++;
	if (!gen)
		gen = t->head->generation++;
	if (x)
		t->head->count++;
	pthread_mutex_unlock(&t->lock);
	if (!x) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	h = &t->handles[x];
	h->nodeid = like->nodeid;
	h->flags = like->flags;
	h->pass = like->pass;
	h->pending = 1;
	h->fd_lower = 0;
	h->fd = fd + 1;
	h->generation = gen; /* last: now it can be found */
	CRASH_POINT(HANDLE_MADE);
	return (uint64_t)gen << 32 | x;
}

void htable_confirm(struct htable *t, uint64_t fh)
{
	struct handle *h = htable_get(t, fh);

	if (h)
		h->pending = 0;
}

void htable_recover(struct htable *t,
		    bool (*keep)(void *ctx, const struct handle *h), void *ctx)
{
	uint32_t high = t->head->high;

	t->head->first_free = 0;
	t->head->count = 0;
	for (uint32_t x = high; x-- > 1;) {
		struct handle *h = &t->handles[x];

		if (h->generation && !h->pending && keep(ctx, h)) {
			t->head->count++;
			continue;
		}
		h->generation = 0;
		close_fd(h);
		h->next_free = t->head->first_free;
		t->head->first_free = x;
	}
}

void htable_fds(struct htable *t, void (*fn)(void *ctx, int fd), void *ctx)
{
	for (uint32_t x = 1; x < t->head->high; x++) {
		if (t->handles[x].generation && t->handles[x].fd)
			fn(ctx, t->handles[x].fd - 1);
	}
}

void htable_each(struct htable *t,
		 void (*fn)(void *ctx, const struct handle *h), void *ctx)
{
	uint32_t high = t->head->high;

	for (uint32_t x = 1; x < high; x++) {
		if (t->handles[x].generation)
			fn(ctx, &t->handles[x]);
	}
}

struct handle *htable_get(struct htable *t, uint64_t fh)
{
	uint32_t x = (uint32_t)fh;
	struct handle *h = &t->handles[x];

	if (!x || x >= t->head->high || h->generation != fh >> 32)
		return NULL;
	return h;
}

void htable_remove(struct htable *t, uint64_t fh)
{
	struct handle *h = htable_get(t, fh);

	if (!h)
		return;
	h->generation = 0;
	CRASH_POINT(HANDLE_GONE);
	close_fd(h);
	pthread_mutex_lock(&t->lock);
	h->next_free = t->head->first_free;
	t->head->first_free = (uint32_t)fh;
	t->head->count--;
	pthread_mutex_unlock(&t->lock);
}

size_t htable_count(struct htable *t)
{
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = t->head->count;
	pthread_mutex_unlock(&t->lock);
	return n;
}
