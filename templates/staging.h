/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_STAGING_H
#define VEFS_TEMPLATES_STAGING_H

/*
 * staging - directories of the store in which a version is made, and how it
 * leaves them: published as a whole, or swept when its owner has died.
 */
#include "templates/catalog.h"

/* A directory of our own, known to be ours by its lock as long as we live. */
struct staging {
	int dir; /* locked while it is ours; -1: none */
	char name[32];
	uint64_t epoch; /* generation of what it puts into the pool */
};

#define STAGING_NONE ((struct staging){ .dir = -1 })

int staging_new(struct catalog *c, struct staging *s, struct why *why);

/*
 * With the store's lock, exclusive: what is `name` in `dir` becomes one, and
 * that is on the disk. -EWOULDBLOCK: somebody holds it. *s is to be freed also
 * after an error.
 */
int staging_bury(struct catalog *c, int dir, const char *name,
		 struct staging *s);

/* Remove it with all that is in it. Fine on one that is not there. */
void staging_free(struct catalog *c, struct staging *s);

/* For putting objects in. */
struct object_pool staging_pool(const struct catalog *c,
				const struct staging *s);

/*
 * What stands in its directory "out" becomes the version *id, which gets the
 * next number where its version is "": seal->serial and ->created are filled
 * in and the seal is written. With `sync` everything is on the disk when it
 * returns. -EEXIST.
 */
int staging_publish(struct catalog *c, const struct staging *s,
		    struct catalog_id *id, struct seal *seal, bool sync,
		    struct why *why);

/* Remove what killed processes left. Returns how many, or -errno. */
int staging_sweep(struct catalog *c, struct why *why);

/*
 * For gc, under its lock: begin a new generation. *floor is the lowest one in
 * which anybody who is importing now puts objects in.
 */
int staging_new_epoch(struct catalog *c, uint64_t *floor, struct why *why);

#endif
