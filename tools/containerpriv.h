/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CONTAINERPRIV_H
#define VEFS_TOOLS_CONTAINERPRIV_H

/* containerpriv - what container.c and containermake.c share. */
#include "tools/container.h"

#define CONTAINERPRIV_FOLDER "containers"
#define CONTAINERPRIV_KEYS 5u

/* What is asked of vefs.conf here. */
struct containerpriv_key {
	const char *name;
	size_t at, size; /* in struct container */
};

extern const struct containerpriv_key containerpriv_keys[CONTAINERPRIV_KEYS];

/* The directory of all of them, made with `create`; -ENOENT. */
int containerpriv_folder(struct catalog *c, bool create, struct why *why);

/* Upper's and work's directory, into one->data. */
int containerpriv_data(struct container *one, struct why *why);

#endif
