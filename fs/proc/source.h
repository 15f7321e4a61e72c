/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_SOURCE_H
#define VEFS_FS_PROC_SOURCE_H

/*
 * source - the one source of a container's numbers: of the virtual files, of
 * sysinfo(2), of whoever lists containers.
 *
 * Numbers that are asked for within SOURCE_FRESH of each other are of the same
 * moment. What cannot be read any more (the container ends) stays as it was
 * last; never does a number of the host's stand in for it.
 *
 * One thread at a time, unless it holds source_lock().
 */
#include "fs/base/strbuf.h"
#include "fs/proc/group.h"
#include "fs/proc/numbers.h"
#include "fs/proc/procstate.h"

#define SOURCE_FRESH 20000000ull /* ns */

struct source_config {
	struct group_paths groups;
	int init; /* the container's pid 1, as we see it; 0: not known */
	int proc; /* a directory, the container's own /proc, borrowed; -1: it
		   * is looked for */
	struct procstate *state; /* borrowed */
};

/* Parts of the numbers; to be or'ed. */
enum source_part {
	SOURCE_TIME = 1,
	SOURCE_MEM = 2, /* and swap */
	SOURCE_CPU = 4,
	SOURCE_IO = 8,
	SOURCE_TASKS = 16,   /* how many there are */
	SOURCE_RUNNING = 32, /* what they do; last_pid */
	SOURCE_LOAD = 64,
};

struct source;

/* -errno: a group is not there, the state is of another layout, no memory. */
int source_open(struct source **out, const struct source_config *cfg);
void source_free(struct source *s);

void source_lock(struct source *s);
void source_unlock(struct source *s);

/* The numbers, these parts of them fresh; valid until the next call. */
const struct numbers *source_get(struct source *s, unsigned wanted);

/* A file of the host's /proc by its name there. 0 or -errno, `out` empty. */
int source_host(struct source *s, const char *name, struct strbuf *out);

/* The host's /proc, borrowed. */
int source_host_fd(const struct source *s);
const struct group *source_group(const struct source *s);
struct procstate *source_state(const struct source *s);
int source_init(const struct source *s);

#endif
