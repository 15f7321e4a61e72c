/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTLOOK_H
#define VEFS_TOOLS_CTLOOK_H

/*
 * ctlook - what a container is doing, for those who look at it without keeping
 * anybody from anything.
 */
#include "tools/container.h"
#include "tools/ct/cgroup.h"
#include "tools/runstate.h"

enum ctlook_state {
	CTLOOK_DOWN,
	CTLOOK_DAMAGED, /* its vefs.conf is */
	CTLOOK_MOUNTED,
	CTLOOK_RUNNING,
	CTLOOK_SUSPENDED,
};

/* "stopped", "damaged", "mounted", "running", "suspended". */
extern const char *const ctlook_words[];

struct ctlook {
	enum ctlook_state state;
	bool mounted;
	struct runstate run;
	struct cgroup *group; /* of one that runs; or NULL */
};

/* Never fails: what cannot be told is not so. ctlook_end() it. */
void ctlook_at(const struct container *one, struct ctlook *out);
void ctlook_end(struct ctlook *l);

#endif
