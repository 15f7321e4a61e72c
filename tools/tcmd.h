/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_TCMD_H
#define VEFS_TOOLS_TCMD_H

/* tcmd - what the commands on templates share. */
#include <jansson.h>

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

/* Find, hold and open what `spec` names; CMD_OK, or told and another code. */
int tcmd_open(struct catalog *c, const char *spec, struct tcmd_version *out);
void tcmd_close(struct tcmd_version *v);

/* Print a value and a newline, and let it go. */
int tcmd_print_json(json_t *j);
/* Of a name with any bytes: what is not UTF-8 as U+FFFD. */
json_t *tcmd_json_name(const char *s, size_t len);

#endif
