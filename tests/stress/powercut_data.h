/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_POWERCUT_DATA_H
#define VEFS_TESTS_STRESS_POWERCUT_DATA_H

/*
 * powercut_data - what the data of a file may be after the cut.
 */
#include "tests/stress/powercut_model.h"

#define PC_VERSIONS 64

/* v[0] is certain; the others may have come after, in whole or in part. */
struct pc_versions {
	struct {
		unsigned char *data;
		uint32_t size;
	} v[PC_VERSIONS];
	unsigned n;
};

/* Of a file, when all of `end` was begun. */
void pc_versions_of(const struct pc_model *end, uint32_t obj,
		    struct pc_versions *all);
void pc_versions_end(struct pc_versions *all);
/* May this byte be there? Behind the end of a version there are zeros. */
bool pc_versions_may_be(const struct pc_versions *all, uint64_t at,
			unsigned char byte);

#endif
