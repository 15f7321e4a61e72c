/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTWORK_H
#define VEFS_TOOLS_CTWORK_H

/* ctwork - what commands on one container have at hand. */
#include "tools/cmd_ct.h"
#include "tools/container.h"
#include "tools/ct/cgroup.h"
#include "tools/ct/spec.h"
#include "tools/runstate.h"

struct ctwork {
	struct catalog *catalog;
	struct container one;
	struct runstate state;
	struct spec spec;     /* by ctwork_running() */
	struct cgroup *group; /* the same */
	int pidfd;	      /* the same; or -1 */
	struct why why;
};

#define CTWORK(name)                                                           \
	_cleanup_(ctwork_end) struct ctwork name = { .one = CONTAINER_NONE,    \
						     .pidfd = -1 }

/*
 * Open the store and the container, locked or not. An exit code, told. One that
 * runs may be damaged (CONTAINER_CONF), which is told, too: its template and
 * root are empty then.
 */
int ctwork_begin(struct ctwork *w, const struct cmd_common *common,
		 const char *id, bool lock);
void ctwork_end(struct ctwork *w);

/*
 * It runs: its groups, its first process, and what it was started with, as far
 * as attach.h needs it. vefs.conf is not looked at. An exit code, told.
 */
int ctwork_running(struct ctwork *w);

/*
 * Into a spec what this run was started with: ids, capabilities, whose network
 * it has, features; the last only if they are noted. `run` has an init; that it
 * is that process is for the caller to see afterwards.
 */
void ctwork_as_started(const struct runstate *run, struct spec *s);

/*
 * What its vefs.conf says, to take something away by: a line that has become
 * wrong (a device is gone) is told and left out. spec_free() it.
 */
void ctwork_words(const struct container *one, struct spec *out);

/* For struct attach_plan: who answers system calls of what is run in it; -1. The
 * caller's to close. */
int ctwork_sender(const struct ctwork *w, unsigned *answered);

/* Tell w->why, or what `err` means; its exit code. */
int ctwork_fail(const struct ctwork *w, int err);

#endif
