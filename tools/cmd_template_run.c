/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs template, as vefs itself knows it: another program. */
#include "tools/cmd.h"
#include "tools/handover.h"

static int run(const struct cmd *self, struct cmd_common *common, int argc,
	       char **argv)
{
	(void)self;
	return handover("vefs-template", common, argc, argv);
}

const struct cmd cmd_template = {
	.name = "template",
	.args = "template COMMAND ...",
	.brief = "immutable trees that containers share",
	.run = run,
};
