/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_GC_H
#define VEFS_TEMPLATES_GC_H

/*
 * gc - free the objects that no version holds and what dead imports left.
 * Beside running imports and mounts, and it may be killed at any point.
 */
#include "templates/catalog.h"

struct gc_result {
	unsigned swept;	 /* staging directories of dead processes */
	uint64_t kept;	 /* objects that versions hold */
	uint64_t young;	 /* held by none, but imports under way may */
	uint64_t freed;	 /* objects removed (or to be, when dry) */
	uint64_t blocks; /* of 512 bytes, by these */
};

struct gc_options {
	bool dry; /* only say what would be */
	/* Of 256 shards; non-zero cancels, which is harmless. */
	int (*progress)(void *ctx, unsigned shard, const struct gc_result *r);
	void *ctx;
};

/* -EUCLEAN: a version cannot be read, so nothing is freed. */
int gc_run(struct catalog *c, const struct gc_options *o, struct gc_result *out,
	   struct why *why);

#endif
