/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The commands of cmd_ct.h, as vefs itself knows them: another program. */
#include "tools/cmd_ct.h"
#include "tools/handover.h"

static int run(const struct cmd *self, struct cmd_common *common, int argc,
	       char **argv)
{
	(void)self;
	return handover("vefs-ct", common, argc, argv);
}

#define RECORD(c) const struct cmd cmd_##c = { CMD_CT_##c, .run = run };
CMD_CT_LIST(RECORD)
