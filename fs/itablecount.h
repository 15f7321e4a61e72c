/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_ITABLECOUNT_H
#define VEFS_FS_ITABLECOUNT_H

/*
 * itablecount - how often the kernel has been told of an inode, which is how
 * often it will say that it forgot it.
 */
#include "fs/itable.h"

/* The kernel has been told of it once more; its nodeid. */
uint64_t itablecount_add(struct itable *t, struct inode *i);
void itablecount_forget(struct itable *t, uint64_t nodeid, uint64_t n);

/*
 * The same so that a crash in the middle is made good: the new count goes to
 * *count, then `state` to *where, then the count into the table. Whoever finds
 * `state` there sets the count with itablecount_set().
 */
void itablecount_commit(struct itable *t, uint64_t nodeid, uint64_t *count,
			_Atomic uint32_t *where, uint32_t state);
void itablecount_set(struct itable *t, uint64_t nodeid, uint64_t count);

#endif
