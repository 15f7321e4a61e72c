/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MOUNTING_H
#define VEFS_TOOLS_MOUNTING_H

/*
 * mounting - having mount.vefs mount something.
 */
#include <sys/types.h>

#include "fs/base/strbuf.h"

/*
 * Add KEY=VALUE to a line of options, the value in two parts, with what would
 * end it escaped. An error is the buffer's (strbuf_error()).
 */
void mounting_option(struct strbuf *b, const char *key, const char *value,
		     const char *rest);

/* How its process is made: as fork() does, or -errno. */
struct mounting_birth {
	pid_t (*fork)(void *ctx);
	void *ctx;
};

/*
 * Run the mount.vefs beside this program, else that of the system, with these
 * options. It has told what went wrong; or we have: -errno. `birth` may be
 * NULL.
 */
int mounting_run(const struct strbuf *options, const char *target,
		 const struct mounting_birth *birth);

#endif
