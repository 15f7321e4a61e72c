/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_INDEX_H
#define VEFS_TEMPLATES_INDEX_H

/*
 * index - reading a published version: names, inodes, what it is.
 *
 * A version never changes, so everything that is given out (names, symlink
 * targets, attributes) points into the mapped file and is good until the index
 * is freed. All functions may be called from many threads at once, and take no
 * system call but index_open() and index_free(). An index must not be used
 * across fork().
 *
 * Every record is checked as it is read (-EUCLEAN), the file's size at opening;
 * that its pages are as they were written is known only with INDEX_CHECK.
 */
#include <stdbool.h>

#include "templates/node.h"
#include "templates/seal.h"

struct index;

#define INDEX_CHECK 1u /* digest the whole file first */

/*
 * Open the version whose directory is `dir`, borrowed for the call. -ENOENT,
 * -EUCLEAN damaged, -EPROTONOSUPPORT of a newer format, or -errno.
 */
int index_open(int dir, unsigned flags, struct index **out);
void index_free(struct index *x);
/* The descriptor of its file; borrowed. */
int index_fd(const struct index *x);

const struct seal *index_seal(const struct index *x);

/* What it was imported from and an image's configuration: text, or -ENOENT. */
#define INDEX_SOURCE "source"
#define INDEX_CONFIG "config"
int index_text(struct index *x, const char *key, const char **text,
	       size_t *len);

/* The inode `ino`; -ENOENT. */
int index_node(struct index *x, uint64_t ino, struct node *out);

/*
 * `name` in the directory `dir`: -ENOENT, also where `dir` is no directory.
 * `n` may be NULL.
 */
int index_lookup(struct index *x, uint64_t dir, const char *name, size_t len,
		 uint64_t *ino, struct node *n);

/*
 * The names in `dir` behind `after` (NULL: all), sorted by their bytes. The
 * emitter's non-zero value ends the listing and is given back; to go on, give
 * the last name. The name has no NUL behind it.
 */
typedef int (*index_emit_fn)(void *ctx, const char *name, size_t len,
			     const struct node_dirent *d);
int index_list(struct index *x, uint64_t dir, const char *after,
	       size_t after_len, index_emit_fn emit, void *ctx);

/* All inodes in the order of their numbers. */
typedef int (*index_node_fn)(void *ctx, uint64_t ino, const struct node *n);
int index_each(struct index *x, index_node_fn fn, void *ctx);

/* One path of the inode, from the root, without a leading "/"; appended. */
int index_path(struct index *x, uint64_t ino, struct strbuf *out);

/* Tables and keys of the file; for freeze.c. */
enum { INDEX_DIRENTS, INDEX_NODES, INDEX_META };
extern const struct store_options index_layout;

#endif
