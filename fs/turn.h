/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_TURN_H
#define VEFS_FS_TURN_H

/*
 * turn - who moves an inode on, from a lower to upper wholly: one at a time.
 * Others wait for it, also those who change what is kept aside meanwhile.
 *
 * No thread has two turns at a time, nor waits for one inside the gate or with
 * an inode's lock held.
 */
#include "fs/itable.h"

/* Wait for it; `i` is pinned until its end. Gives `i` back. */
struct inode *turn_take(struct inode *i);
/* NULL: nothing was taken. */
void turn_end(struct inode *const *i);
#define TURN(name) __attribute__((cleanup(turn_end))) struct inode *name = NULL

#endif
