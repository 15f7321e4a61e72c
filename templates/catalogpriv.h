/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_CATALOGPRIV_H
#define VEFS_TEMPLATES_CATALOGPRIV_H

/* catalogpriv - what catalog.c and staging.c share. */
#include "templates/catalog.h"

struct catalog {
	int dir, objects, templates, staging;
	char root[256]; /* for messages */
};

#define CATALOGPRIV_DEPTH 64u /* directories below a staging directory */

/* The flock'd file `name` of the store; a descriptor. */
int catalogpriv_flock(struct catalog *c, const char *name, int how,
		      struct why *why);

#endif
