/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_NS_MODEL_H
#define VEFS_TESTS_STRESS_NS_MODEL_H

/*
 * ns_model - a subtree as it must be: finding one's way in it, and comparing
 * it with what is there. Nodes are numbers; 0 is the root, and "none".
 */
#include <stddef.h>

#include "tests/stress/ns.h"

#define NS_ANY 255
#define NS_PATH 4096
#define NS_NSEC 123456789 /* of the times that are set */

/* A name in a directory, whether something is there or not. */
struct ns_place {
	unsigned parent;
	unsigned node; /* what is there */
	char name[NS_NAME];
};

/* A node of that type by chance; 0 if there is none (of NS_DIR: the root). */
unsigned ns_pick(struct ns_proc *p, unsigned type);
struct ns_place ns_pick_place(struct ns_proc *p);
/* Paths below the subtree; give back `path`. */
const char *ns_path(const struct ns_proc *p, unsigned node, char *path);
const char *ns_place_path(const struct ns_proc *p, const struct ns_place *at,
			  char *path);

unsigned ns_free_node(const struct ns_proc *p);
unsigned ns_free_data(const struct ns_proc *p); /* NS_DATAS: none */
void ns_add_node(struct ns_proc *p, unsigned node, const struct ns_place *at,
		 uint8_t type);
void ns_drop_node(struct ns_proc *p, unsigned node);
bool ns_has_children(const struct ns_proc *p, unsigned node);
/* Is `node` the directory `dir` or one above it? */
bool ns_is_above(const struct ns_proc *p, unsigned node, unsigned dir);

/* `r` must be a success with want 0, else fail just so. True: a success. */
bool ns_expect(struct ns_proc *p, int r, int want, const char *what,
	       const char *path);
void ns_check_bytes(struct ns_proc *p, int fd, const struct ns_data *d,
		    const char *when);
void ns_check_node(struct ns_proc *p, unsigned node);
void ns_check_dir(struct ns_proc *p, unsigned node);
void ns_check_absent(struct ns_proc *p, const char *path);

#endif
