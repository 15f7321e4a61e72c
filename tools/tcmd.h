/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_TCMD_H
#define VEFS_TOOLS_TCMD_H

/* tcmd - what the commands on templates share. */
#include <jansson.h>

#include "fs/base/cleanup.h"
#include "templates/index.h"
#include "tools/cmd.h"

#define TCMD_RUN(name)                                                         \
	int tcmd_##name(const struct cmd *self, struct cmd_common *common,     \
			int argc, char **argv)

TCMD_RUN(import);
TCMD_RUN(list);
TCMD_RUN(show);
TCMD_RUN(tree);
TCMD_RUN(diff);
TCMD_RUN(verify);
TCMD_RUN(rename);
TCMD_RUN(remove);
TCMD_RUN(gc);
TCMD_RUN(export);
TCMD_RUN(mount);

/* A version that is being read. */
struct tcmd_version {
	struct catalog_version v;
	struct index *x;
	int dir; /* held */
};

#define TCMD_VERSION(name)                                                     \
	_cleanup_(tcmd_close) struct tcmd_version name = { .dir = -1 }

/* Find, hold and open what `spec` names; CMD_OK, or told and another code. */
int tcmd_open(struct catalog *c, const char *spec, struct tcmd_version *out);
void tcmd_close(struct tcmd_version *v);

/* The catalog, for a command that works on it, and a version. */
struct tcmd_work {
	struct catalog *c;
	struct tcmd_version v;
	struct why why;
};

#define TCMD_WORK(name)                                                        \
	_cleanup_(tcmd_end) struct tcmd_work name = { .v = { .dir = -1 } }

/*
 * Open the store and, unless it is NULL, the version `spec` names. An exit
 * code; what is wrong has been told.
 */
int tcmd_begin(struct tcmd_work *w, const struct cmd_common *common,
	       const char *spec);
void tcmd_end(struct tcmd_work *w);

/* An operand, or CMD_USAGE, told. */
int tcmd_parse(const char *spec, struct catalog_id *id);

/* Print a value and a newline, and let it go. */
int tcmd_print_json(json_t *j);

#endif
