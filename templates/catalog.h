/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_CATALOG_H
#define VEFS_TEMPLATES_CATALOG_H

/*
 * catalog - the store's directory: which templates there are, and how one is
 * added, renamed and removed so that a crash at any point leaves old or new.
 *
 * Errors come as -errno with the reason in `why`. One catalog may be used from
 * one thread at a time; any number of processes may have the store open.
 */
#include <stdbool.h>
#include <stddef.h>

#include "templates/object.h"
#include "templates/seal.h"
#include "templates/why.h"

#define CATALOG_FORMAT 1u
#define CATALOG_NAME_MAX 128u
#define CATALOG_VERSION_MAX 64u

struct catalog;

/*
 * Open the store at `root`, with `create` made when it is missing or empty.
 * -ENOENT, -EPROTONOSUPPORT: of a newer format, -ENOTDIR, -EINVAL: something
 * else is there.
 */
int catalog_open(const char *root, bool create, struct catalog **out,
		 struct why *why);
void catalog_free(struct catalog *c);

/* The store's directory, borrowed. */
int catalog_dir(const struct catalog *c);
/* For reading objects. */
struct object_pool catalog_pool(const struct catalog *c);

/* ---- names ---- */

struct catalog_id {
	char name[CATALOG_NAME_MAX + 1];
	char version[CATALOG_VERSION_MAX + 1]; /* "" the latest, or new */
};

/*
 * "NAME" or "NAME:VERSION": letters, digits and ". _ + -", the first a letter
 * or digit. -EINVAL.
 */
int catalog_parse(const char *spec, struct catalog_id *out, struct why *why);

/* ---- versions ---- */

struct catalog_version {
	struct catalog_id id;
	struct seal seal;
	int error; /* 0, or why the seal cannot be read */
};

/*
 * All versions, by name and then by order of import; free(3) them.
 */
int catalog_list(struct catalog *c, struct catalog_version **out, size_t *n,
		 struct why *why);

/* Which version is meant; the latest of its name if none is given. */
int catalog_find(struct catalog *c, const struct catalog_id *id,
		 struct catalog_version *out, struct why *why);

/*
 * Open the version's directory and hold it (a shared flock, which goes with
 * the descriptor): it cannot be removed meanwhile. A descriptor or -errno.
 */
int catalog_hold(struct catalog *c, const struct catalog_id *id,
		 struct why *why);

/*
 * The store's lock: exclusive to add, rename, remove; shared to hold still. A
 * descriptor to close.
 */
int catalog_lock(struct catalog *c, bool exclusive, struct why *why);

#endif
