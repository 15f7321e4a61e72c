/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEPROCTEXT_H
#define VEFS_FS_FUSEPROCTEXT_H

/*
 * fuseproctext - the texts that fuseproc has told of: made, kept for as long
 * as they may be shown, made anew.
 */
#include "fs/fuseprocpriv.h"

/* How many processors there are. */
uint32_t fuseproctext_cpus(struct fuseproc_server *s);

/* Does this container have it? Always, or never. */
bool fuseproctext_is_there(const struct fuseproc_server *s,
			   const struct procfiles_node *node);

/* Make a file's text, for `caller` (0: nobody's own). 0, -EACCES: the caller
 * cannot be seen, or -errno. */
int fuseproctext_render(struct fuseproc_server *s,
			const struct procfiles_node *node, pid_t caller,
			struct strbuf *out);

/* Note what beancounters come to, at the end: their state is up to date. */
void fuseproctext_last(struct fuseproc_server *s);

/* This is its text now: another image if it is another; takes `text`. */
void fuseproctext_set(struct fuseproc_image *i, struct strbuf *text);

/* The image of a file in `shared`; `fresh`: not older than may be. 0 or
 * -errno; valid until the next call. */
int fuseproctext_get(struct fuseproc_mount *m,
		     const struct procfiles_node *node, bool fresh,
		     struct fuseproc_image **out);

#endif
