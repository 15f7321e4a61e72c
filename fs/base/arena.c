/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/arena.h"

#include <stdbool.h>
#include <string.h>

#include "fs/base/cleanup.h"

/*
 * The region begins with one byte per slab, its class + 1 (0: unused). A slab
 * in use has a private bitmap of its free pieces. Slabs of a class that have
 * a free piece are in that class's list, newest first; a slab is in the list
 * exactly while it is in use and has a free piece.
 */
static const uint16_t sizes[] = { 32,  48,  64,	  96,	128,  192,
				  256, 512, 1024, 2048, 4096, 8192 };
#define CLASSES ARRAY_SIZE(sizes)
#define MAX_PIECES (ARENA_SLAB / 32)
#define NONE UINT32_MAX

struct slab {
	uint64_t free[MAX_PIECES / 64];
	uint32_t prev, next;
	uint16_t used;
	bool listed;
};

struct arena {
	const struct shm *mem;
	uint8_t *class_of;	       /* in the region */
	uint32_t first, count, lowest; /* slabs: usable from, end, hint */
	struct slab **slabs;
	uint32_t heads[CLASSES];
	uint32_t in_use;
};

static unsigned pieces(unsigned class)
{
	return ARENA_SLAB / sizes[class];
}

static void list_add(struct arena *a, unsigned class, uint32_t i)
{
	struct slab *s = a->slabs[i];

	s->prev = NONE;
	s->next = a->heads[class];
	if (s->next != NONE)
		a->slabs[s->next]->prev = i;
	a->heads[class] = i;
	s->listed = true;
}

static void list_del(struct arena *a, unsigned class, uint32_t i)
{
	struct slab *s = a->slabs[i];

	if (s->prev != NONE)
		a->slabs[s->prev]->next = s->next;
	else
		a->heads[class] = s->next;
	if (s->next != NONE)
		a->slabs[s->next]->prev = s->prev;
	s->listed = false;
}

static struct slab *slab_open(struct arena *a, unsigned class, uint32_t i)
{
	struct slab *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	for (unsigned p = 0; p < pieces(class); p++)
		s->free[p / 64] |= 1ull << (p % 64);
	a->slabs[i] = s;
	a->class_of[i] = (uint8_t)(class + 1);
	a->in_use++;
	list_add(a, class, i);
	return s;
}

static void slab_close(struct arena *a, unsigned class, uint32_t i)
{
	if (a->slabs[i]->listed)
		list_del(a, class, i);
	free(a->slabs[i]);
	a->slabs[i] = NULL;
	a->class_of[i] = 0;
	a->in_use--;
	if (i < a->lowest)
		a->lowest = i;
	shm_giveback(a->mem, (size_t)i * ARENA_SLAB, ARENA_SLAB);
}

struct arena *arena_new(const struct shm *mem)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->mem = mem;
	a->class_of = mem->base;
	a->count = (uint32_t)(mem->size / ARENA_SLAB);
	a->first = (a->count + ARENA_SLAB - 1) / ARENA_SLAB;
	a->lowest = a->first;
	a->slabs = calloc(a->count, sizeof(*a->slabs));
	for (unsigned c = 0; c < CLASSES; c++)
		a->heads[c] = NONE;
	if (!a->slabs) {
		free(a);
		return NULL;
	}
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (uint32_t i = a->first; i < a->count && a->in_use > 0; i++) {
		if (a->slabs[i])
			a->in_use--;
		free(a->slabs[i]);
	}
	free(a->slabs);
	free(a);
}

static unsigned class_for(size_t len)
{
	unsigned c = 0;

	while (c < CLASSES && sizes[c] < len)
		c++;
	return c;
}

uint64_t arena_alloc(struct arena *a, size_t len)
{
	unsigned c = class_for(len), p;
	uint32_t i;
	struct slab *s;

	if (c == CLASSES)
		return 0;
	i = a->heads[c];
	if (i == NONE) {
		for (i = a->lowest; i < a->count && a->slabs[i]; i++)
			;
		if (i == a->count || !slab_open(a, c, i))
			return 0;
		a->lowest = i + 1;
	}
	s = a->slabs[i];
	for (p = 0; !s->free[p / 64]; p += 64)
		;
	p += (unsigned)__builtin_ctzll(s->free[p / 64]);
	s->free[p / 64] &= ~(1ull << (p % 64));
	if (++s->used == pieces(c))
		list_del(a, c, i);
	return (uint64_t)i * ARENA_SLAB + (uint64_t)p * sizes[c];
}

void arena_release(struct arena *a, uint64_t off)
{
	uint32_t i = (uint32_t)(off / ARENA_SLAB);
	unsigned c, p;
	struct slab *s;

	if (!off)
		return;
	c = a->class_of[i] - 1u;
	p = (unsigned)(off % ARENA_SLAB) / sizes[c];
	s = a->slabs[i];
	s->free[p / 64] |= 1ull << (p % 64);
	if (--s->used == 0)
		slab_close(a, c, i);
	else if (!s->listed)
		list_add(a, c, i);
}

int arena_mark(struct arena *a, uint64_t off)
{
	uint64_t i = off / ARENA_SLAB;
	unsigned c, p;
	struct slab *s;

	if (i < a->first || i >= a->count || !a->class_of[i] ||
	    a->class_of[i] > CLASSES)
		return -EUCLEAN;
	c = a->class_of[i] - 1u;
	p = (unsigned)(off % ARENA_SLAB) / sizes[c];
	if (p >= pieces(c) || off % ARENA_SLAB % sizes[c])
		return -EUCLEAN;
	s = a->slabs[i];
	if (!s)
		s = slab_open(a, c, (uint32_t)i);
	if (!s)
		return -ENOMEM;
	if (!(s->free[p / 64] & (1ull << (p % 64))))
		return -EUCLEAN;
	s->free[p / 64] &= ~(1ull << (p % 64));
	if (++s->used == pieces(c))
		list_del(a, c, (uint32_t)i);
	return 0;
}

size_t arena_used(const struct arena *a)
{
	return (size_t)a->in_use * ARENA_SLAB;
}
