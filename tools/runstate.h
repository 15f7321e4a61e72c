/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_RUNSTATE_H
#define VEFS_TOOLS_RUNSTATE_H

/*
 * runstate - is a container running, and as what.
 *
 *	containers/ID/run/state		KEY="value", of the last start
 *	containers/ID/run/control	the socket of its monitor
 *	containers/ID/run/console.log	what it wrote on its console
 *
 * A state is believed as long as its init is that process: same pid, same time
 * of start, same boot of the host.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "templates/why.h"
#include "tools/container.h"
#include "tools/ct/spec.h"

#define RUNSTATE_FOLDER "run"
#define RUNSTATE_FILE "state"
#define RUNSTATE_CONTROL "control"
#define RUNSTATE_LOG "console.log"

/*
 * What it was started with, of a spec: what processes that are brought into it
 * later are held by. vefs.conf may say something else by now.
 */
struct runstate_start {
	bool noted; /* by older versions it is not */
	enum spec_net_mode mode;
	uint64_t caps_add, caps_drop;
	uint64_t features; /* a bit for each */
};

struct runstate {
	pid_t init;    /* 0: it does not run */
	bool lost;     /* it has ended since this boot, and nobody noted that */
	pid_t monitor; /* 0: is gone */
	uint64_t started;     /* seconds since the epoch */
	uint32_t base, count; /* its ids on the host */
	char group[96];	      /* cgroup_open()'s name for it */
	char net[12];	      /* net_up()'s */
	char ended[64];	      /* how it ended last: "exit 0", "signal KILL", ""
			   * when that is not known */
	struct runstate_start with;
};

/* 0, also for one that never ran, or -errno. `why` may be NULL. */
int runstate_read(const struct container *one, struct runstate *out,
		  struct why *why);
/* By its monitor. */
int runstate_write(const struct container *one, const struct runstate *s);

/* By its monitor: it is started as `s` says. */
void runstate_note(struct runstate *run, const struct spec *s);
/* And the same back, into a spec: ids, and what is noted, if it is. */
void runstate_recall(const struct runstate *run, struct spec *s);

/* A descriptor of that init (pidfd), surely it; -ESRCH: it is gone. */
int runstate_pidfd(const struct container *one, const struct runstate *s);

/* The names of a container of the store at `store`: group and net. */
void runstate_names(const char *store, const char *id, struct runstate *out);

#endif
