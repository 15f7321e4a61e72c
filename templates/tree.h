/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_TREE_H
#define VEFS_TEMPLATES_TREE_H

/*
 * tree - a version while it is imported: entries come in any order, with
 * duplicates, in layers one upon the other. freeze.h makes an index of it.
 *
 * It stands in a store of the staging directory, not in memory, so that
 * memory stays flat however many entries come; the price is about two
 * microseconds each. A later entry of a path replaces an earlier one; a
 * directory keeps its children. By directory and name here, by path in
 * treepath.h.
 *
 * One thread at a time. All functions give 0 or -errno with the reason in the
 * `why` that the tree was made with.
 */
#include "fs/base/store.h"
#include "templates/node.h"
#include "templates/why.h"

struct tree;

struct tree_limits {
	uint64_t entries; /* names that may come */
	uint64_t devices; /* block and character devices among them */
};

int tree_new(struct tree **out, int staging, const struct tree_limits *limits,
	     struct why *why);
void tree_free(struct tree *t);

/*
 * Add an entry to a directory that was added; `name` is one component. Of `n`,
 * object, nlink, parent and name do not count. *ino is the entry's own.
 */
int tree_add_at(struct tree *t, uint64_t dir, const char *name,
		const struct node *n, uint64_t *ino);

/* Another name of an inode that was added, no directory. */
int tree_link_at(struct tree *t, uint64_t dir, const char *name, uint64_t ino);

/* The data of a file has become an object. No error when it is gone again. */
int tree_set_object(struct tree *t, uint64_t ino, const struct object_put *put);

/* From here on entries are of the next layer. */
int tree_next_layer(struct tree *t);
/* All is in; what is in can be read from the store. */
int tree_finish(struct tree *t);
struct store *tree_store(struct tree *t);

/* Tables of the store. */
enum { TREE_DIRENTS, TREE_NODES };

#endif
