/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/iomode.h"

enum iomode iomode_choose(const struct iomode_state *s)
{
	if (!s->available || s->n_cached > 0)
		return IOMODE_CACHED;
	if (s->n_pass > 0)
		return s->pass_lower == !s->upper ? IOMODE_PASS
						  : IOMODE_CONFLICT;
	if (s->seen && s->upper)
		return IOMODE_CACHED;
	return s->upper || s->program ? IOMODE_PASS : IOMODE_CACHED;
}
