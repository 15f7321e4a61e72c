/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_STACK_H
#define VEFS_FS_STACK_H

/*
 * stack - the one place where an overlay is put together, bottom-up: tables,
 * upper, lower layers, the root.
 */
#include "fs/overlay.h"
#include "fs/state.h"

/*
 * Assemble what `opts` asks for. 0, or -errno with a sentence in
 * err[errlen]; nothing is left open then.
 */
int stack_new(struct overlay **out, const struct options *opts, char *err,
	      size_t errlen);

/* Write down where the parts are, all but what is the session's. */
void stack_save(const struct overlay *o, struct state *s);
/* The same overlay again, in another program, from what was written down. */
int stack_resume(struct overlay **out, const struct options *opts,
		 const struct state *s, char *err, size_t errlen);

/*
 * Close what is only cached, or one process's own: others will go on with
 * copies of this. Each of them begins. -errno: a layer cannot be opened.
 */
void stack_settle(struct overlay *o);
int stack_begin(struct overlay *o);
void stack_free(struct overlay *o);

#endif
