/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_CATALOGCHANGE_H
#define VEFS_TEMPLATES_CATALOGCHANGE_H

/* catalogchange - versions of a store go, or get other names. */
#include "templates/catalog.h"

/*
 * Who needs a version, by the caller's knowledge: how many, and the name of
 * one into `one` (may stay as it is). NULL: nobody.
 */
typedef int (*catalogchange_users_fn)(void *ctx, const struct catalog_id *id,
				      char one[CATALOG_NAME_MAX + 1]);

struct catalogchange_users {
	catalogchange_users_fn fn;
	void *ctx;
};

/* -EBUSY: in use, for seconds now. `id` is complete, as catalog_find() gave it. */
int catalogchange_remove(struct catalog *c, const struct catalog_id *id,
			 const struct catalogchange_users *users,
			 struct why *why);

/*
 * With a version in `from` that one becomes `to` (its version stays where
 * to's is ""), else all versions go under the new name. -EEXIST, -EBUSY.
 */
int catalogchange_rename(struct catalog *c, const struct catalog_id *from,
			 const struct catalog_id *to,
			 const struct catalogchange_users *users,
			 struct why *why);

#endif
