/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_BENCH_FLOORTREE_H
#define VEFS_BENCH_FLOORTREE_H

/*
 * floortree - the tables of floor: nodes, their names, and how both are read
 * from the directories that are measured.
 *
 * A node is what the kernel calls an inode. It lives while it has a name or the
 * kernel knows it (`lookups`, of whom speaks with the kernel). A directory's
 * names are a list in the order of their cookies; the names of all directories
 * are in one hash table. For one thread. Who runs out of memory ends.
 */
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>

struct floortree_node;

struct floortree_name {
	struct floortree_name *chain;	    /* of a bucket */
	struct floortree_name *prev, *next; /* of the directory */
	struct floortree_node *dir, *node;
	uint64_t cookie; /* above those of "." and ".." */
	char text[];
};

struct floortree_node {
	struct fuse_attr attr; /* nlink of a directory: 1, or 0 once removed */
	uint64_t lookups;
	char *target;			     /* of a symlink; freed with it */
	struct floortree_name *first, *last; /* of a directory */
	struct floortree_name *listed; /* where the last listing stopped */
	uint32_t backing;	       /* a backing id, or 0 */
	bool lower;		       /* that must not be written */
};

#define FLOORTREE_DOT 1 /* cookies */
#define FLOORTREE_DOTDOT 2

/* Says why, with errno's text, and ends the process. */
__attribute__((noreturn)) void floortree_fail(const char *what);

/* Without a name and unknown to the kernel, changed now. */
struct floortree_node *floortree_new(uint32_t mode, uint32_t uid, uint32_t gid);

/* Frees it if nobody knows it any more. */
void floortree_release(struct floortree_node *n);

/* It is changed now. No system call. */
void floortree_touch(struct floortree_node *n);

/*
 * Where the directory has this name, or has a pointer to NULL if it has none.
 * Good until the next name is added or dropped.
 */
struct floortree_name **floortree_slot(const struct floortree_node *dir,
				       const char *text);

/* A name that is not there; the node's nlink stays as it is. */
void floortree_add(struct floortree_node *dir, const char *text,
		   struct floortree_node *n);

/* One that is there; the same. */
void floortree_drop(struct floortree_name **slot);

/* The name, its link and perhaps its node. -ENOTEMPTY. */
int floortree_remove(struct floortree_name **slot);

/* The first name behind this cookie, or NULL. */
struct floortree_name *floortree_after(const struct floortree_node *dir,
				       uint64_t cookie);

/* The backing id of an open file, or 0. */
typedef uint32_t floortree_backing(int fd);

/*
 * Adds what is below `path` as a layer under those that were added before.
 * Only files and directories; ends the process where there is anything else.
 */
void floortree_load(struct floortree_node *dir, const char *path, bool lower,
		    floortree_backing *backing);

#endif
