/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_USAGE_H
#define VEFS_TEMPLATES_USAGE_H

/*
 * usage - how much of the pool a version holds, alone and with others. By
 * digests alone, and 32 bytes of memory for each object.
 */
#include "templates/catalog.h"

struct usage {
	uint64_t blocks; /* of 512 bytes, objects once */
	uint64_t own;	 /* of these, what no other version holds */
};

/* For all `n` versions at once. Those that cannot be read have zeros. */
int usage_count(struct catalog *c, const struct catalog_version *v, size_t n,
		struct usage *out);

#endif
