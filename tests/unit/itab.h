/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_ITAB_H
#define VEFS_TESTS_UNIT_ITAB_H

/*
 * itab - an inode table with a root, and inodes with made-up identities, for
 * the suites of what works on one: what must work is checked here.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fs/itable.h"

/* Its root is inode 1 of layer 1. To be given to itable_free(). */
struct itable *itab_new(void);

/* An identity with a handle of a usual size; one with a descriptor. */
struct ref itab_ref(uint8_t layer, uint64_t ino);
struct ref itab_pin(uint8_t layer, uint64_t ino);

/*
 * Intern what `seed` says, with this lower or, with NULL, none, as asked for
 * just now; pinned.
 */
struct inode *itab_intern(struct itable *t, struct itable_seed *seed,
			  const struct ref *low);
/* A regular file of layer 1; pinned. */
struct inode *itab_add(struct itable *t, uint64_t ino, uint32_t parent,
		       const char *name);
/* The kernel knows it, nobody else does any more; the nodeid. */
uint64_t itab_tell(struct itable *t, struct inode *i);

/* Is there an inode of this nodeid? */
bool itab_known(struct itable *t, uint64_t nodeid);
/* The nodeid that an identity is found by; 0: none. */
uint64_t itab_found(struct itable *t, struct ref key);
struct itable_stats itab_stats(struct itable *t);

#endif
