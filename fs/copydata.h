/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_COPYDATA_H
#define VEFS_FS_COPYDATA_H

/*
 * copydata - the content of one file into another: shared blocks where the
 * filesystem can (FICLONE), else copied extent by extent with holes kept.
 */
#include <stdint.h>
#include <sys/types.h>

/*
 * Copy `size` bytes from `from` into the empty or all-hole file `to`, which
 * then has that size. 0 or -errno: -ENOSPC, -EDQUOT, -EIO and whatever the
 * filesystems say; `to` then holds an unknown part.
 */
int copydata(int from, int to, off_t size);

/*
 * Bytes, in whole blocks, that copydata() will write at most of a file that
 * has holes. A block that has some of two pieces of data counts twice.
 */
uint64_t copydata_space(int from, off_t size, uint64_t block);

#endif
