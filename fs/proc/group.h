/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_GROUP_H
#define VEFS_FS_PROC_GROUP_H

/*
 * group - the files of a container's control groups, opened once, whatever
 * the hierarchies: each controller may be v1 or v2 on its own. A group that
 * is removed meanwhile answers with errors, never with another group's files.
 *
 * Limits are the least of a group and those above it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fs/base/strbuf.h"

/* What a directory is needed for. On v2 several may be the same one. */
enum group_dir {
	GROUP_MEMORY,
	GROUP_CPU,     /* its share */
	GROUP_CPUACCT, /* what it used; on v2 as GROUP_CPU */
	GROUP_CPUSET,
	GROUP_BLKIO,
	GROUP_PIDS,
	GROUP_TASKS,   /* v1, of any hierarchy: its tasks, to be counted */
	GROUP_UNIFIED, /* v2, with any controllers or none */
	GROUP_DIRS
};

struct group_paths {
	const char *dir[GROUP_DIRS]; /* NULL: there is none */
};

enum group_file {
	GROUP_MEM_STAT,
	GROUP_MEM_USED,
	GROUP_MEM_PEAK,
	GROUP_MEM_EVENTS, /* v1: a number, times the limit was hit */
	GROUP_SWAP_USED,  /* v1: memory and swap together */
	GROUP_SWAP_PEAK,
	GROUP_SWAP_EVENTS,
	GROUP_OOMS,	   /* v1; v2 has them in GROUP_MEM_EVENTS */
	GROUP_MEM_LOW,	   /* v2: what it is left as far as can be */
	GROUP_MEM_MIN,	   /* v2: whatever happens */
	GROUP_KERNEL_USED, /* v1; v2 has it in memory.stat */
	GROUP_KERNEL_PEAK,
	GROUP_KERNEL_EVENTS,
	GROUP_TCP_USED,
	GROUP_CPU_STAT,
	GROUP_CPU_USAGE, /* v1, by processor, in ticks; ns */
	GROUP_CPU_TOTAL, /* v1 */
	GROUP_CPUS,
	GROUP_IO_BYTES,
	GROUP_IO_OPS, /* v1; v2 has them in GROUP_IO_BYTES */
	GROUP_PIDS_NOW,
	GROUP_PIDS_PEAK,
	GROUP_PIDS_MAX,
	GROUP_PIDS_EVENTS,
	GROUP_PSI_CPU,
	GROUP_PSI_IO,
	GROUP_PSI_MEMORY,
	GROUP_FILES
};

#define GROUP_UNLIMITED UINT64_MAX

struct group;

/*
 * Open what there is of it. A directory that is named must be a group's:
 * -ENOENT, -EINVAL else. A controller's file that this kernel lacks is no
 * error.
 */
int group_open(struct group **out, const struct group_paths *paths);
void group_free(struct group *g);

/* Is this controller there, and is it v2? */
bool group_has(const struct group *g, enum group_dir d);
bool group_is_v2(const struct group *g, enum group_dir d);

/* The directory, borrowed, or -1. */
int group_fd(const struct group *g, enum group_dir d);

/* Does it have this file? */
bool group_tells(const struct group *g, enum group_file f);

/* A file's text; -errno with `out` empty, -EBADF: there is no such file. */
int group_text(const struct group *g, enum group_file f, struct strbuf *out);

/* A file's number; *out stays when it cannot be read. */
bool group_number(const struct group *g, enum group_file f, uint64_t *out);

/*
 * What it may use, all levels considered; GROUP_UNLIMITED. False, with *out as
 * it was: the group is gone.
 */
bool group_memory_limit(const struct group *g, uint64_t *bytes);
/* Of swap alone. On v1 that of both together less that of memory. */
bool group_swap_limit(const struct group *g, uint64_t *bytes);
/* In thousandths of one processor, rounded up. */
bool group_cpu_limit(const struct group *g, uint64_t *milli);

#endif
