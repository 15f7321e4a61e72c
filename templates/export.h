/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_EXPORT_H
#define VEFS_TEMPLATES_EXPORT_H

/*
 * export - a version as a tar (pax), from which an import makes a version of
 * the same digest. The same bytes each time from one store: names in order,
 * no owner names, no times but the files' own.
 *
 * A socket, which tar does not know, goes as a fifo with the attribute
 * trusted.vefs.socket.
 */
#include "templates/catalog.h"
#include "templates/index.h"

struct export_options {
	/* Called for each entry with the bytes written so far. */
	int (*progress)(void *ctx, uint64_t entries, uint64_t bytes);
	void *ctx;
};

/* Write to `fd`, borrowed. `o` may be NULL. */
int export_tar(struct catalog *c, struct index *x, int fd,
	       const struct export_options *o, struct why *why);

#endif
