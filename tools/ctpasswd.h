/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTPASSWD_H
#define VEFS_TOOLS_CTPASSWD_H

/*
 * ctpasswd - the password of a user in a container, set by the container's own
 * programs, shut in as all of its processes: the host touches none of its
 * files.
 */
#include "templates/why.h"
#include "tools/cmd.h"

#define CTPASSWD_USER 32u
#define CTPASSWD_TEXT 512u

struct ctpasswd {
	char user[CTPASSWD_USER + 1];
	char line[CTPASSWD_TEXT]; /* "USER:PASSWORD\n" */
};

/*
 * "USER:PASSWORD" from the command line, where it is written over, or "-": the
 * first line of standard input. -EINVAL, or what reading says.
 */
int ctpasswd_take(struct ctpasswd *p, char *word, struct why *why);

/*
 * Set it. A user that is not there is made. One that does not run is mounted
 * for it, and a process of its own without a network runs for that long. What
 * is run has a minute, and is killed then, or when we are told to end; one that
 * runs is not locked for that long. The container is not locked by the caller.
 * An exit code, told.
 */
int ctpasswd_set(const struct ctpasswd *p, struct cmd_common *common,
		 const char *id);

#endif
