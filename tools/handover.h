/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_HANDOVER_H
#define VEFS_TOOLS_HANDOVER_H

/*
 * handover - commands of vefs that another program of ours does: one that needs
 * so many libraries that loading them would take half of the time in which a
 * container is made and mounted.
 */
#include "tools/cmd.h"

/* Become `program` with this command line; returns only an exit code. */
int handover(const char *program, const struct cmd_common *common, int argc,
	     char **argv);

#endif
