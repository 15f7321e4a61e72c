/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_STORECHECK_H
#define VEFS_FS_BASE_STORECHECK_H

/*
 * storecheck - is a store's file whole? LMDB follows what stands in a file
 * without a doubt: one byte that a disk or a hand has changed may end the
 * process. Who cannot trust a file lets it be looked at before store_open().
 *
 * What is checked is all that LMDB follows: both heads, every page of every
 * table, the order of keys, the list of free pages, and that each page is
 * used once. Not what the values mean: let them carry sums of their own.
 */
#include <stddef.h>
#include <stdint.h>

/*
 * The file of `fd`, a store with tables of the kind that store.h makes, that
 * may grow to `map_size`. 0; -EUCLEAN damaged, and *why says what; -EFBIG it is
 * larger than that; -EPROTONOSUPPORT made by another version of LMDB; -ENOMEM,
 * or why it cannot be read. Nobody may write it meanwhile.
 */
int storecheck(int fd, size_t map_size, const char **why);

#endif
