/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_CATALOGPRIV_H
#define VEFS_TEMPLATES_CATALOGPRIV_H

/* catalogpriv - what the files behind catalog.h, and staging.c, share. */
#include "templates/catalog.h"

struct catalog {
	int dir, objects, templates, staging;
	char root[256]; /* for messages */
};

/* The flock'd file `name` of the store; a descriptor. */
int catalogpriv_flock(struct catalog *c, const char *name, int how,
		      struct why *why);

/* The directory of a name, or of a version: a descriptor or -errno. */
int catalogpriv_name(struct catalog *c, const char *name);
int catalogpriv_version(struct catalog *c, const struct catalog_id *id);

#endif
