/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CONTAINER_H
#define VEFS_TOOLS_CONTAINER_H

/*
 * container - the directory of a container in the store: which template it
 * is made of, what it changed, where it is mounted.
 *
 *	containers/ID/vefs.conf		KEY="value", see fs/FORMAT.md
 *	containers/ID/upper, work	of its mount
 *
 * Errors come as -errno with the reason in `why`.
 */
#include <limits.h>
#include <stdbool.h>

#include "templates/catalog.h"

#define CONTAINER_ID_MAX 64u
#define CONTAINER_SPEC_MAX (CATALOG_NAME_MAX + CATALOG_VERSION_MAX + 2)

struct container {
	int dir;  /* its directory */
	int lock; /* held until container_close(), or -1 */
	char id[CONTAINER_ID_MAX + 1];
	char template[CONTAINER_SPEC_MAX]; /* NAME:VERSION */
	char root[PATH_MAX];		   /* where it is mounted */
};

#define CONTAINER_NONE ((struct container){ .dir = -1, .lock = -1 })

/*
 * A number from 101 on, or a name: letters, digits and ". _ -", the first a
 * letter. -EINVAL.
 */
int container_check_id(const char *id, struct why *why);

/*
 * Make one of a template, at `root` or (NULL) the store's root/ID. However
 * large the template is, this costs the same. -EEXIST, -ENOENT: no such
 * template.
 */
int container_create(struct catalog *c, const char *store, const char *id,
		     const char *spec, const char *root, struct why *why);

/*
 * Open it; with `lock` for a change: -EBUSY when another command has it.
 * -ENOENT: there is none. -EUCLEAN: vefs.conf is damaged; it is open, with
 * empty `template` and `root`. container_close() in every case.
 */
int container_open(struct catalog *c, const char *id, bool lock,
		   struct container *out, struct why *why);
void container_close(struct container *c);

/* Is its root the mount of this container, not only of some other? */
bool container_is_mounted(const struct container *c);

/* Is its root a mount point, whoever's? */
bool container_root_is_taken(const struct container *c);

/* Remove all of it; the caller has seen that it is not mounted. */
int container_destroy(struct catalog *c, struct container *one,
		      struct why *why);

/*
 * Call `fn` for each, by id, unlocked; its non-zero value ends it. Where
 * vefs.conf is damaged `template` and `root` are empty.
 */
int container_each(struct catalog *c,
		   int (*fn)(void *ctx, const struct container *one), void *ctx,
		   struct why *why);

/* For catalog_remove() and catalog_rename(): who is made of a version. */
struct catalog_users container_users(struct catalog *c);

#endif
