/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procstate.h"

#include <errno.h>

int procstate_begin(struct procstate *s)
{
	if (s->layout != 0 && s->layout != PROCSTATE_LAYOUT)
		return -ESTALE;
	s->layout = PROCSTATE_LAYOUT;
	return 0;
}
