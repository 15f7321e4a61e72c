/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MONITORPRIV_H
#define VEFS_TOOLS_MONITORPRIV_H

/*
 * monitorpriv - the monitor's state, and pieces of it. Errors are -errno.
 *
 * The state is in memory that the monitor and its attendant share
 * (forkshare.h), as is the table of descriptors. What it points to is the
 * monitor's own: an attendant has it as it was when that one was made, which
 * is how it stays until the container has ended; but for `console`, which is
 * shared as well. Nobody waits for the other with anything half done: each
 * word has one writer at a time, and is right by itself.
 */
#include <stdatomic.h>

#include "tools/container.h"
#include "tools/ct/cgroup.h"
#include "tools/ct/console.h"
#include "tools/ct/launch.h"
#include "tools/ct/spec.h"
#include "tools/inside.h"
#include "tools/monitor.h"

#define MONITORPRIV_DAEMONS 8
#define MONITORPRIV_WAITING 8

enum monitorpriv_end {
	MONITORPRIV_BY_ITSELF,
	MONITORPRIV_STOP,
	MONITORPRIV_RESTART,
};

struct monitor {
	/* The monitor's. */
	const struct monitor_plan *plan;
	struct container one;
	struct spec spec;
	struct runstate state;
	struct cgroup *group;
	struct console *console; /* the attendant's while there is one */
	struct inside *inside;
	struct launch init;
	bool has_net;
	int run, signals, listener;
	int poke; /* an eventfd: the attendant is to look what is new */
	pid_t pid;
	uint64_t began; /* clock_now() */
	unsigned loops;
	int status; /* of wait(2) */
	/* What it tells the attendant. */
	_Atomic int signal; /* that it was sent; or 0 */
	_Atomic pid_t job;  /* that runs, its child; or 0. The kernel writes
			     * it as well, before that runs. */
	_Atomic bool job_over, job_failed; /* the last one */
	/* The attendant's; the monitor's before the first one. */
	bool starting;
	bool scripted; /* its start script has begun */
	bool told;     /* who started it the first time */
	bool script_failed;
	int report;
	enum monitorpriv_end ending;
	bool fast;			  /* it is to end at once */
	uint64_t deadline;		  /* clock_now(); 0: none */
	uint64_t settled;		  /* when starting will be over */
	int waiting[MONITORPRIV_WAITING]; /* who asked for the end */
};

/* To each of those who wait for its end; they are closed. */
void monitorpriv_answer_all(struct monitor *m, const char *text);

/* The processes that serve the mount at `root`; how many. */
int monitorpriv_daemons(const char *root, pid_t pids[MONITORPRIV_DAEMONS]);

/* Is this process in the daemons' part of that group? */
bool monitorpriv_serves(pid_t pid, const char *group);

/* Give it this command line as its first process. */
int monitorpriv_set_init(struct spec *s, char *const *argv);

/* run/ of the container, made if it is not there: a descriptor. */
int monitorpriv_folder(const struct container *one);

/* What the monitor hears of, by a descriptor; its attendant too, by the same. */
int monitorpriv_signals(void);

/* Its socket in run/. */
int monitorpriv_listen(int run);

/*
 * It is the monitor for as long as it has this: a lock on run/. A monitor that
 * is ending is waited for. -EBUSY: there is one.
 */
int monitorpriv_lock(int run);

/* Belong to nobody any more: our 0, 1, 2, and `report` is closed. */
void monitorpriv_background(int report);

#endif
