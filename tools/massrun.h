/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MASSRUN_H
#define VEFS_TOOLS_MASSRUN_H

/* massrun - the processes of mass.h. */
#include "tools/mass.h"

/* All of the list, `width` at a time; the exit code of all. */
int massrun(const struct mass_work *work, const struct cmd_common *common,
	    const struct masspick_list *list, unsigned width);

#endif
