/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_LAUNCH_H
#define VEFS_TOOLS_CT_LAUNCH_H

/*
 * launch - the first process of a container, in namespaces of its own.
 *
 *	launch_begin()	it is there, in its namespaces, goes into its groups
 *			and shuts itself in
 *	...		the caller makes its network meanwhile
 *	launch_go()	it becomes init, or it is heard why it has failed
 *
 * The caller has one thread. Errors come as -errno with a sentence in `why`,
 * those of the new process too.
 */
#include <sys/types.h>

#include "templates/why.h"
#include "tools/ct/cgroup.h"
#include "tools/ct/spec.h"

struct launch {
	pid_t pid;
	int pidfd;
	int console; /* the master of its console; -1 with `stdio` */
	int wire;    /* private */
};

#define LAUNCH_NONE                                                            \
	((struct launch){ .pid = -1, .pidfd = -1, .console = -1, .wire = -1 })

struct launch_plan {
	const struct spec *spec;
	struct cgroup *group; /* whose payload it is */
	const char *root;     /* where its root is mounted */
	bool stdio;    /* it keeps 0, 1 and 2; else they are its console */
	bool terminal; /* which is its controlling terminal, too */
	unsigned rows, columns; /* of its console; 0: not known */
	int sender;	   /* notify_sender(); -1: its calls are the kernel's */
	unsigned answered; /* NOTIFY_* */
};

int launch_begin(const struct launch_plan *p, struct launch *l,
		 struct why *why);
/*
 * A detached mount for it, over what is at `path` inside, a symlink itself; what
 * is not there is not covered. The descriptor stays the caller's.
 */
int launch_cover(struct launch *l, const char *path, int mount);
/* 0: its program runs. After an error it is gone. */
int launch_go(const struct launch_plan *p, struct launch *l, struct why *why);
/* The caller has met an error: that the process has failed may be why, and is
 * then told instead. */
void launch_explain(const struct launch *l, struct why *why);
/* Kill it if it is there, wait for it, close all. */
void launch_end(struct launch *l);

/*
 * The calling process, of one thread, lives in the time of that one from here
 * on, and its children do. 0, also where there are no such namespaces; -errno.
 */
int launch_enter_time(pid_t pid);

/* The network namespace of a process: a descriptor, or -errno. */
int launch_netns(pid_t pid);

#endif
