/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCFILES_H
#define VEFS_FS_PROC_PROCFILES_H

/*
 * procfiles - the one table of virtual files: where each is, who may read it,
 * what it is made of. And the tree that they make, without any state: an
 * inode's number says all of it, to any process at any time.
 *
 * A path's component "cpu*" stands for one of each processor.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/proc/procview.h"
#include "fs/proc/source.h"

enum procfiles_kind {
	PROCFILES_SHARED, /* the same for all: may be cached for `ttl` */
	PROCFILES_OPENED, /* made for who opens it, at that moment */
};

/* Where the text comes from, besides the numbers. */
enum procfiles_from {
	PROCFILES_NUMBERS,
	PROCFILES_HOST,	    /* the host's file of this name, with */
	PROCFILES_CALLER,   /* the caller's own /proc/PID/mounts */
	PROCFILES_EXTRA,    /* sockets, open files and so on */
	PROCFILES_PRESSURE, /* its group's file, if it has one */
};

struct procfiles_row {
	const char *path; /* "proc/meminfo" */
	procview_render *render;
	unsigned parts; /* of the source */
	enum procfiles_from from;
	enum procfiles_kind kind;
	unsigned ttl; /* ms */
	mode_t mode;
	/*
	 * To be put over the file of this name in a container, if its kernel
	 * has one: OpenVZ's have user_beancounters. What is not: uptime, which
	 * a time namespace tells better, for runtimes that have none; pressure,
	 * where the group's own files do more; what is below procfiles_dirs().
	 */
	bool bind;
};

/* All of them. *n: how many. */
const struct procfiles_row *procfiles_table(unsigned *n);

/* The directories that are to be put over those of a container as a whole:
 * paths, ended by NULL. No row below them needs to be bound by itself. */
const char *const *procfiles_dirs(void);

/* The tree. */

#define PROCFILES_ROOT 1u
#define PROCFILES_NAME_MAX 32u

struct procfiles_node {
	uint64_t ino;
	const struct procfiles_row *row; /* NULL: a directory */
	unsigned index;			 /* of the row */
	bool per_cpu;
	uint32_t cpu;
};

/* What an inode is, where there are so many processors; false: nothing. */
bool procfiles_get(uint64_t ino, uint32_t cpus, struct procfiles_node *out);

/* A name in a directory. */
bool procfiles_lookup(uint64_t dir, const char *name, uint32_t cpus,
		      struct procfiles_node *out);

/* The entry of a directory behind the one that `at` names, 0 the first;
 * *at is moved on. "." and ".." are not among them. */
bool procfiles_next(uint64_t dir, uint64_t *at, uint32_t cpus,
		    char name[PROCFILES_NAME_MAX], struct procfiles_node *out);

#endif
