/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_ATTACH_H
#define VEFS_TOOLS_CT_ATTACH_H

/*
 * attach - one more process in a container that runs: in the namespaces of its
 * first process, with the capabilities and the filter of `spec`, which is what
 * that one was started with.
 */
#include <sys/types.h>

#include "templates/why.h"
#include "tools/ct/cgroup.h"
#include "tools/ct/spec.h"

struct attach_plan {
	const struct spec *spec;
	int pidfd; /* the container's first process */
	struct cgroup *group;
	char *const *argv; /* looked for in PATH */
	const char *cwd;   /* "/" where it is not there */
	const char *term;  /* TERM, or NULL */
	int stdio[3];	   /* its 0, 1, 2; not looked at with `tty` */
	bool tty;	   /* a terminal of the container's own */
	int sender;	   /* notify_sender(); -1: its calls are the kernel's */
	unsigned answered; /* NOTIFY_* */
};

struct attach {
	pid_t pid; /* a child of the caller's that stands in for it: standin.h */
	int tty;   /* the master of its terminal, or -1 */
};

/*
 * 0: it runs, as root, with no more than the container's first process may.
 * -ENOENT, -EACCES ...: the program cannot be run. The caller has one thread.
 */
int attach_run(const struct attach_plan *p, struct attach *out,
	       struct why *why);

#endif
