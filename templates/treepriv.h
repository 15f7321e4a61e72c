/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_TREEPRIV_H
#define VEFS_TEMPLATES_TREEPRIV_H

/*
 * treepriv - what tree.c lends treepath.c. Names are given with their length
 * where they need not end in a NUL; errors as in tree.h.
 */
#include "templates/tree.h"

struct tree {
	struct store *store;
	struct store_txn *txn;
	struct why *why;
	struct tree_limits limits;
	uint64_t next_ino, entries, devices;
	unsigned changes, batches;
	uint16_t layer;
	struct strbuf bytes;
	/* the directory of the last path */
	struct strbuf last_path;
	uint64_t last_dir;
};

/* A parent that no entry told of. */
extern const struct node treepriv_implied;

int treepriv_check_name(struct tree *t, const char *name);
/* One entry more: within the limits? */
int treepriv_count(struct tree *t, const struct node *n);
/* As tree_add_at(), of a name that was checked and an entry that counts. */
int treepriv_add(struct tree *t, uint64_t dir, const char *name,
		 const struct node *n, uint64_t *ino);

/* -ENOENT without a word. */
int treepriv_get_name(struct tree *t, uint64_t dir, const char *name,
		      size_t len, struct node_dirent *d);
int treepriv_put_name(struct tree *t, uint64_t dir, const char *name,
		      size_t len, const struct node_dirent *d);
int treepriv_put_node(struct tree *t, uint64_t ino, const struct node *n);

/* The name *d, with all below it, is gone. */
int treepriv_remove_name(struct tree *t, uint64_t dir, const char *name,
			 size_t len, const struct node_dirent *d);
/* Everything in `dir` that came with layers below is gone. */
int treepriv_prune(struct tree *t, uint64_t dir);

#endif
