/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_SLOTS_H
#define VEFS_FS_BASE_SLOTS_H

/*
 * slots - which rows of a table are in use: the lowest free one first, so
 * that the table stays dense, and word by word of SLOTS_PER_PAGE, so that the
 * owner learns when a page of rows is empty. Not thread-safe.
 */
#include <stdint.h>

#define SLOTS_PER_PAGE 64u
#define SLOTS_NONE UINT32_MAX

struct slots;

/* `limit` rows, of which the first `taken` are in use. NULL: no memory. */
struct slots *slots_new(uint32_t limit, uint32_t taken);
void slots_free(struct slots *s);

/* A free row, now in use; SLOTS_NONE: all are. */
uint32_t slots_take(struct slots *s);

/* This row is in use: for who rebuilds. */
void slots_mark(struct slots *s, uint32_t row);

/*
 * Give a row back. Returns the page (row / SLOTS_PER_PAGE) if its memory
 * should go, else SLOTS_NONE: it is not empty, or kept for the next.
 */
uint32_t slots_put(struct slots *s, uint32_t row);

#endif
