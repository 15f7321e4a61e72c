/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_HIER_H
#define VEFS_TOOLS_CT_HIER_H

/*
 * hier - the cgroup hierarchies that are mounted here, and which of them has
 * which controller.
 */
#include <stdbool.h>

#include "templates/why.h"

enum hier_controller {
	HIER_CPU,
	HIER_CPUACCT,
	HIER_CPUSET,
	HIER_MEMORY,
	HIER_PIDS,
	HIER_IO, /* "blkio" on v1 */
	HIER_DEVICES,
	HIER_FREEZER,
	HIER_CONTROLLERS
};

#define HIER_MAX 24

struct hier {
	int version; /* 1 or 2 */
	/* Bits 1 << enum hier_controller. v2 has the last two, and cpuacct,
	 * always: as calls or files, not as controllers. */
	unsigned controllers;
	char *path; /* of its topmost group, owned */
	char *word; /* v1: its mount options: "cpu,cpuacct", "name=x"; owned */
	int top;    /* that directory, O_PATH */
};

struct hier_set {
	struct hier h[HIER_MAX];
	unsigned n;
};

/*
 * Find and open them. -ENODEV where there is none; nothing is held after an
 * error.
 */
int hier_find(struct hier_set *s, struct why *why);
void hier_free(struct hier_set *s);

/*
 * Take one line of mountinfo(5) in: 1 for a new hierarchy, 0 for anything
 * else, -E2BIG, -ENOMEM. Nothing is opened. Known ones are not taken twice.
 */
int hier_add(struct hier_set *s, char *line);

/* Which of them has it, v1 before v2: an index into h, or -1. */
int hier_of(const struct hier_set *s, enum hier_controller c);

/* The unified one: an index into h, or -1. */
int hier_unified(const struct hier_set *s);

/* The controller of that name ("io" and "blkio" are one), or -1. */
int hier_controller_named(const char *name);

/* Its name on that version. */
const char *hier_name(enum hier_controller c, int version);

#endif
