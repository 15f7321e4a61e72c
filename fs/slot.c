/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/slot.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/shm.h"
#include "fs/htable.h"
#include "fs/itablecount.h"
#include "fs/overlay.h"

/*
 * A process dies between two instructions, never between two stores in
 * another order than written: the processor has done what came before, and
 * atomics keep the compiler from moving what the state vouches for.
 *
 * CLAIMED is a slot that has a thread but no content yet; after a crash it is
 * free.
 */
#define CLAIMED 0xffffu
#define BLAMED 64u

struct header {
	uint32_t layout;
	_Atomic uint32_t generation;
	_Atomic uint32_t threads; /* numbers given in this generation */
	uint32_t unused;
	struct {
		uint64_t unique;
		uint64_t faults;
	} blamed[BLAMED];
	struct slot_now now[SLOT_THREADS];
};

struct slot_table {
	struct shm mem;
	struct header *head;
	struct slot *slots;
};

static _Thread_local struct slot *current;
static _Thread_local const struct slot *first;
static _Thread_local struct slot_now *mine;
static _Thread_local uint32_t mine_generation;

#define HEADER_BYTES                                                           \
	((sizeof(struct header) + SHM_PAGE - 1) & ~(size_t)(SHM_PAGE - 1))
#define BYTES (HEADER_BYTES + SLOT_MAX * sizeof(struct slot))

struct slot_table *slot_table_new(int fd)
{
	struct slot_table *t = calloc(1, sizeof(*t));
	int r;

	if (!t) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	r = fd < 0 ? shm_new(&t->mem, "vefs-slots", BYTES)
		   : shm_attach(&t->mem, fd, BYTES);
	if (r < 0) {
		free(t);
		return NULL;
	}
	t->head = t->mem.base;
	t->slots = (void *)((char *)t->mem.base + HEADER_BYTES);
	t->head->layout = SLOT_LAYOUT;
	return t;
}

void slot_table_free(struct slot_table *t)
{
	if (!t)
		return;
	shm_free(&t->mem);
	free(t);
}

int slot_table_fd(const struct slot_table *t)
{
	return t->mem.fd;
}

void slot_table_begin(struct slot_table *t)
{
	atomic_fetch_add(&t->head->generation, 1);
	atomic_store(&t->head->threads, 0);
	for (unsigned i = 0; i < SLOT_MAX; i++) {
		if (atomic_load(&t->slots[i].state) == CLAIMED)
			atomic_store(&t->slots[i].state, SLOT_FREE);
	}
}

/* One request. */

static struct slot *claim(struct slot_table *t)
{
	unsigned i = mine ? (unsigned)(mine - t->head->now) : 0;

	for (unsigned tries = 1;; tries++) {
		struct slot *s = &t->slots[i % SLOT_MAX];
		uint32_t state = SLOT_FREE;

		if (atomic_compare_exchange_strong(&s->state, &state, CLAIMED))
			return s;
		i++;
		/* All in use: those of our predecessors are soon done. */
		if (tries % SLOT_MAX == 0)
			sched_yield();
	}
}

static struct slot *inherited(struct slot_table *t, uint64_t unique)
{
	for (unsigned i = 0; i < SLOT_MAX; i++) {
		struct slot *s = &t->slots[i];

		if (atomic_load(&s->state) == SLOT_EXEC &&
		    s->unique == unique &&
		    s->generation != atomic_load(&t->head->generation))
			return s;
	}
	return NULL;
}

void slot_begin(struct slot_table *t, uint64_t unique, uint32_t opcode, int fd,
		bool again)
{
	struct slot *s = again ? inherited(t, unique) : NULL;

	if (!s) {
		s = claim(t);
		s->note.kind = SLOT_NOTHING;
		s->note.pin = 0;
	}
	s->opcode = opcode;
	s->unique = unique;
	s->fd = fd;
	s->told = 0;
	s->fh = 0;
	s->reply_len = 0;
	s->generation = atomic_load(&t->head->generation);
	atomic_store(&s->state, SLOT_EXEC);
	current = s;
	first = t->slots;
	CRASH_POINT(SLOT_EXEC);
}

void slot_end(void)
{
	if (!current)
		return;
	CRASH_POINT(SLOT_SENT);
	if (current->note.pin)
		close(current->note.pin - 1);
	atomic_store(&current->state, SLOT_FREE);
	current = NULL;
}

struct slot *slot_current(void)
{
	return current;
}

unsigned slot_index(const struct slot *s)
{
	return (unsigned)(s - first);
}

void slot_tell(uint64_t nodeid)
{
	if (current)
		current->told = nodeid;
}

void slot_open(uint64_t fh)
{
	if (current)
		current->fh = fh;
}

static void apply(struct slot *s, struct overlay *o)
{
	CRASH_POINT(SLOT_APPLYING);
	if (s->fh)
		htable_confirm(o->handles, s->fh);
	atomic_store(&s->state, SLOT_APPLIED);
}

void slot_commit(struct overlay *o, const struct iovec *iov, int count)
{
	struct slot *s = current;
	size_t n = 0;

	CRASH_POINT(SLOT_EFFECT);
	if (!s->told && !s->fh)
		return;
	for (int i = 0; i < count; i++) {
		memcpy(s->reply + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	s->reply_len = (uint32_t)n;
	if (s->told)
		itablecount_commit(o->inodes, s->told, &s->lookups, &s->state,
				   SLOT_DONE);
	else
		atomic_store(&s->state, SLOT_DONE);
	apply(s, o);
	CRASH_POINT(SLOT_APPLIED);
}

/* Notes. */

const struct slot_note *slot_before(enum slot_kind kind)
{
	if (!current || current->note.kind != kind)
		return NULL;
	return &current->note;
}

void slot_note(const struct slot_note *n)
{
	struct slot_note *to;
	int old;

	if (!current)
		return;
	to = &current->note;
	old = to->pin - 1;
	to->kind = SLOT_NOTHING;
	atomic_signal_fence(memory_order_seq_cst);
	to->links = n->links;
	to->victim = n->victim;
	to->pin = n->pin;
	to->delta = n->delta;
	to->named = n->named;
	to->moved = n->moved;
	to->from = n->from;
	to->to = n->to;
	to->exchanged = n->exchanged;
	atomic_signal_fence(memory_order_seq_cst);
	to->kind = n->kind;
	if (old >= 0 && old != n->pin - 1)
		close(old);
}

void slot_note_kind(enum slot_kind kind)
{
	struct slot_note n = { .kind = kind };

	slot_note(&n);
}

void slot_release_pin(int fd)
{
	if (current && current->note.pin == fd + 1)
		current->note.pin = 0;
}

/* Taking over. */

void slot_redo(struct slot_table *t, struct overlay *o)
{
	for (unsigned i = 0; i < SLOT_MAX; i++) {
		struct slot *s = &t->slots[i];

		if (atomic_load(&s->state) != SLOT_DONE)
			continue;
		if (s->told)
			itablecount_set(o->inodes, s->told, s->lookups);
		apply(s, o);
	}
}

void slot_each(struct slot_table *t, enum slot_state state,
	       void (*fn)(void *ctx, struct slot *s), void *ctx)
{
	for (unsigned i = 0; i < SLOT_MAX; i++) {
		if (atomic_load(&t->slots[i].state) == state)
			fn(ctx, &t->slots[i]);
	}
}

bool slot_has(const struct slot_table *t, uint64_t unique)
{
	for (unsigned i = 0; i < SLOT_MAX; i++) {
		if (atomic_load(&t->slots[i].state) == SLOT_EXEC &&
		    t->slots[i].unique == unique)
			return true;
	}
	return false;
}

bool slot_is_telling(const struct slot_table *t, uint64_t nodeid)
{
	for (unsigned i = 0; i < SLOT_MAX; i++) {
		if (atomic_load(&t->slots[i].state) != SLOT_FREE &&
		    t->slots[i].told == nodeid)
			return true;
	}
	return false;
}

/* Who works on what. */

struct slot_now *slot_now(struct slot_table *t)
{
	uint32_t generation = atomic_load(&t->head->generation), n;

	if (mine && mine_generation == generation)
		return mine;
	n = atomic_fetch_add(&t->head->threads, 1);
	mine = n < SLOT_THREADS ? &t->head->now[n] : NULL;
	mine_generation = generation;
	return mine;
}

/* The first of this thread's places that holds `row`. */
static uint32_t *place_of(uint32_t row)
{
	for (unsigned i = 0; mine && i < SLOT_CHANGING; i++) {
		if (mine->changing[i] == row)
			return &mine->changing[i];
	}
	return NULL;
}

void slot_change(uint32_t row)
{
	uint32_t *at = place_of(0);

	if (at)
		*(volatile uint32_t *)at = row;
}

void slot_counted(uint32_t row)
{
	uint32_t *at = place_of(row);

	if (at)
		*(volatile uint32_t *)at = 0;
}

void slot_each_changed(struct slot_table *t,
		       void (*fn)(void *ctx, uint32_t row), void *ctx)
{
	for (unsigned i = 0; i < SLOT_THREADS * SLOT_CHANGING; i++) {
		struct slot_now *now = &t->head->now[i / SLOT_CHANGING];
		uint32_t *row = &now->changing[i % SLOT_CHANGING];

		if (*row)
			fn(ctx, *row);
		*row = 0;
	}
}

uint64_t slot_answered(const struct slot_table *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SLOT_THREADS; i++)
		sum += *(volatile uint64_t *)&t->head->now[i].answered;
	return sum;
}

static void blame(struct header *h, uint64_t unique)
{
	unsigned place = 0;

	for (unsigned i = 0; i < BLAMED; i++) {
		if (h->blamed[i].unique == unique) {
			h->blamed[i].faults++;
			return;
		}
		if (h->blamed[i].unique < h->blamed[place].unique)
			place = i;
	}
	h->blamed[place].faults = 1;
	h->blamed[place].unique = unique;
}

void slot_blame(struct slot_table *t, bool fault)
{
	for (unsigned i = 0; i < SLOT_THREADS; i++) {
		struct slot_now *now = &t->head->now[i];

		if (fault && now->unique)
			blame(t->head, now->unique);
		now->unique = 0;
	}
}

unsigned slot_faults(const struct slot_table *t, uint64_t unique)
{
	for (unsigned i = 0; i < BLAMED; i++) {
		if (t->head->blamed[i].unique == unique)
			return (unsigned)t->head->blamed[i].faults;
	}
	return 0;
}
