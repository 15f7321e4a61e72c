/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CONF_H
#define VEFS_TOOLS_CONF_H

/*
 * conf - a file of KEY="value" lines, as a container's vefs.conf is.
 *
 * Lines that nobody asks for (comments, keys of others, what is no line of this
 * form) stay as they are and where they are. Read are KEY=value, KEY='value'
 * and KEY="value" with a \ before any character of it, blanks before; of several
 * lines with one key the last counts. Written is KEY="value" with \", \\, \$
 * and \`: a shell that reads the file finds the same value, and runs nothing.
 */
#include <stdbool.h>
#include <stddef.h>

#define CONF_MAX (1u << 20) /* bytes; a larger file is none of ours */

struct conf;

/* An empty one. NULL: no memory. */
struct conf *conf_new(void);
void conf_free(struct conf *c);

/* For _cleanup_(). */
static inline void conf_freep(struct conf **c)
{
	conf_free(*c);
}

/*
 * Read the file `name` in `dir`. -ENOENT, -EUCLEAN: it is too large, no
 * regular file, or has a NUL in it, -ENOMEM, or -errno.
 */
int conf_read(int dir, const char *name, struct conf **out);

/*
 * The value of `key` into value[size], which an error leaves as it was.
 * -ENOENT: it has none; -ENAMETOOLONG.
 */
int conf_get(const struct conf *c, const char *key, char *value, size_t size);

/*
 * Give `key` a value, in its line or in a new one at the end; NULL: take all
 * its lines away. -EINVAL: a value cannot have a newline, -ENOMEM.
 */
int conf_set(struct conf *c, const char *key, const char *value);

/*
 * Replace the file `name` in `dir`, 0600: the old one or the new one is there,
 * whole, whatever happens. One writer at a time.
 */
int conf_write(const struct conf *c, int dir, const char *name);
/* The same without a sync, for what another boot does not read. */
int conf_put(const struct conf *c, int dir, const char *name);

/*
 * Write it where no such file is yet, synced if that is asked for; its name is
 * as safe as the caller makes the directory. -EEXIST.
 */
int conf_create(const struct conf *c, int dir, const char *name, bool sync);

/* Do both have the same lines? */
bool conf_same(const struct conf *a, const struct conf *b);

/* Add all of `from` to `c`. 0 or -ENOMEM, and then some may be missing. */
int conf_merge(struct conf *c, const struct conf *from);

#endif
