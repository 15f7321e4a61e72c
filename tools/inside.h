/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_INSIDE_H
#define VEFS_TOOLS_INSIDE_H

/*
 * inside - what makes a container see itself and not its host: virtual files
 * over those of /proc and /sys (ct/procserve.h), and system calls that are
 * answered for it (ct/notify.h). Kept by its monitor, done by two children of
 * its.
 *
 *	inside_new()	before its first process is made
 *	inside_begin()	that is there, in its groups, and waits
 *	inside_go()	it runs
 */
#include <poll.h>

#include "templates/why.h"
#include "tools/ct/launch.h"

struct inside;

struct inside_plan {
	const struct spec *spec;    /* borrowed, as long as this */
	const struct cgroup *group; /* its groups, until inside_begin() */
	const char *root;	    /* where its root is mounted */
	int run;   /* its run/, where beancounters are kept; borrowed */
	bool once; /* it is for a command */
};

int inside_new(struct inside **out, const struct inside_plan *p,
	       struct why *why);
/* The container has ended, and so will they. */
void inside_end(struct inside *in);
/* They have ended; what is bound answers with errors. NULL is fine. */
void inside_free(struct inside *in);

/* Where listeners are sent to, borrowed, -1 none; and for which calls. */
int inside_sender(const struct inside *in, unsigned *answered);

/* Serve, and hand over what is to be put over files. */
int inside_begin(struct inside *in, struct launch *l, struct why *why);
int inside_go(struct inside *in, struct why *why);

/* The mount of its virtual files, FUSEPROC_SHARED or _OPENED, borrowed; -1. */
int inside_files(const struct inside *in, unsigned kind);

/* When this is readable call inside_handle(). -1: nothing to wait for. */
int inside_fd(const struct inside *in);
void inside_handle(struct inside *in);
/* Is this descriptor one of those that come and go? */
bool inside_has(const struct inside *in, int fd);
/* A child has ended: was it one of these? They have begun another then. */
bool inside_reaped(struct inside *in, pid_t pid);

#endif
