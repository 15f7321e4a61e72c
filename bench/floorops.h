/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_BENCH_FLOOROPS_H
#define VEFS_BENCH_FLOOROPS_H

/*
 * floorops - what floor answers to the kernel's requests, out of its tables; the
 * first one, INIT, is not of these.
 */
#include "bench/floortree.h"

/* The mount's root. Before the first request. */
void floorops_root(struct floortree_node *n);

/* The backing id for data of files that were not there; 0 without one. */
void floorops_scratch(uint32_t id);

/*
 * Does what is asked for. The answer, header and body, as it is to be written;
 * NULL: the kernel wants none. Good until the next one.
 */
const struct fuse_out_header *
floorops_handle(const struct fuse_in_header *request);

#endif
