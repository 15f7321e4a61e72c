/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_WORK_H
#define VEFS_TOOLS_WORK_H

/* work - the catalog and one container, for a command that works on it. */
#include "tools/cmd.h"
#include "tools/container.h"

struct work {
	struct catalog *c;
	struct container one;
	struct why why;
	bool passing; /* see struct cmd_common */
	int status;   /* by work_operand() */
};

void work_end(struct work *w);

#define WORK(name)                                                             \
	_cleanup_(work_end) struct work name = { .one = CONTAINER_NONE }

/*
 * Open the store and the container `id` names, locked; with `damaged` also one
 * without a usable vefs.conf. An exit code; what is wrong has been told.
 */
int work_begin(struct work *w, const struct cmd_common *common, const char *id,
	       bool damaged);

/* Tell an error; the exit code for it. */
int work_fail(const struct work *w, int r);

/* Tell what the command line says that nothing can be. The exit code. */
int work_misused(const struct work *w, int r);

/*
 * work_begin() of the one operand of a command without options. False: return
 * w->status, which is CMD_OK after help.
 */
bool work_operand(struct work *w, const struct cmd *self,
		  struct cmd_common *common, int argc, char **argv,
		  bool damaged);

#endif
