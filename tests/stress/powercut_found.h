/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_POWERCUT_FOUND_H
#define VEFS_TESTS_STRESS_POWERCUT_FOUND_H

/*
 * powercut_found - what is there after the cut: all names below the mount.
 */
#include <sys/stat.h>

#include "tests/stress/powercut_model.h"

#define PC_ATTR "user.powercut"
#define PC_WRONG UINT32_MAX /* a value that no model has */

struct pc_found_entry {
	struct pc_entry e;
	uint64_t ino, size;
	uint32_t links;
	unsigned proc; /* PC_PROCS: a shared directory */
};

/* Sorted by their paths. */
struct pc_found {
	struct pc_found_entry *entries;
	size_t n;
};

/* All names below `root`; fails on those that nobody made. */
void pc_found_walk(int root, struct pc_found *out);
void pc_found_free(struct pc_found *f);
/* NULL: there is none */
const struct pc_found_entry *pc_found_get(const struct pc_found *f,
					  const char *path);
/* All bytes of a file. The caller frees them; NULL: told why. */
unsigned char *pc_found_read(int root, const char *path, uint64_t size);

static inline uint32_t pc_group_of(uint32_t owner)
{
	return owner ? owner + 100 : 0;
}

#endif
