/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_U64MAP_H
#define VEFS_FS_BASE_U64MAP_H

/*
 * u64map - numbers by number: a hash table of 16 bytes a row, which only
 * grows. Begins as all zero bytes. Key 0 is allowed. Not locked.
 */
#include <stddef.h>
#include <stdint.h>

struct u64map_row {
	uint64_t key; /* as given, plus one; 0: free */
	uint64_t value;
};

struct u64map {
	struct u64map_row *rows; /* private */
	size_t cap, used;	 /* private, but `used` may be read */
};

void u64map_free(struct u64map *m);

/*
 * The place of `key`'s value, 0 at first; good until the next call. NULL: no
 * memory. UINT64_MAX is no key.
 */
uint64_t *u64map_at(struct u64map *m, uint64_t key);

/* The same, NULL when the key is not there. */
uint64_t *u64map_find(const struct u64map *m, uint64_t key);

#endif
