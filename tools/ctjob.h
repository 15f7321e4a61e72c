/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTJOB_H
#define VEFS_TOOLS_CTJOB_H

/*
 * ctjob - what the monitor has done inside by a child of its own: a container
 * may hold up whatever is run in it for as long as it likes, and never its
 * monitor. The attendant begins one; it is a child of the attendant's parent,
 * the monitor, who waits for it. It ends with the monitor.
 */
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tools/ct/attach.h"

struct ctjob {
	const char *store;
	struct attach_plan where;
	pid_t init; /* its first process, not waited for yet */
	pid_t *pid; /* where the job's number is written before it runs */
};

/* Its script for "start": 0, also if there is none; -errno. */
int ctjob_start(const struct ctjob *j);

/*
 * Its script for "stop", and then its first process is told to end the system:
 * as that program knows it, by a signal or a command; killed if it does not
 * listen to any. 0 or -errno.
 */
int ctjob_end(const struct ctjob *j);

/* Does it catch or wait for that signal? No other from outside reaches a first
 * process. */
bool ctjob_catches(pid_t pid, int sig);

/* The name of the program that a process has, without its directory, also of
 * one that another has replaced on the disk; "" when that cannot be told. */
const char *ctjob_program(pid_t pid, char exe[PATH_MAX]);

#endif
