/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_VERIFY_H
#define VEFS_TEMPLATES_VERIFY_H

/*
 * verify - is a version what it was when it was imported? Its index by the
 * seal's sum, its structure, its digest, and every object by its name.
 */
#include "templates/catalog.h"

/* Something is wrong with `path` ("" : the version as a whole). */
typedef void (*verify_fn)(void *ctx, const char *path, const char *what);

struct verify_options {
	verify_fn bad;
	/* Now and then; non-zero cancels. */
	int (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
	bool quick; /* objects: only that they are there, of the right size */
};

/* The number of things that are wrong, or -errno. */
int verify_run(struct catalog *c, const struct catalog_id *id,
	       const struct verify_options *o, struct why *why);

#endif
