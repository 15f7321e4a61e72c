/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_LOCK_H
#define VEFS_FS_BASE_LOCK_H

/*
 * lock - a mutex of four bytes, for tables with one per row.
 *
 * Not recursive, not fair, private to a process; all-zero is unlocked, so a
 * freshly mapped table needs no initialisation. 0 free, 1 held, 2 held and
 * somebody sleeps.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
	_Atomic uint32_t word;
};

/* The slow halves: sleep until held; wake one sleeper. */
void lock_sleep(struct lock *l);
void lock_wake(struct lock *l);

static inline void lock_acquire(struct lock *l)
{
	uint32_t idle = 0;

	if (!atomic_compare_exchange_strong_explicit(&l->word, &idle, 1,
						     memory_order_acquire,
						     memory_order_relaxed))
		lock_sleep(l);
}

/* Without waiting; true: it is held now. */
static inline bool lock_try(struct lock *l)
{
	uint32_t idle = 0;

	return atomic_compare_exchange_strong_explicit(
		&l->word, &idle, 1, memory_order_acquire, memory_order_relaxed);
}

static inline void lock_release(struct lock *l)
{
	if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
		lock_wake(l);
}

#endif
