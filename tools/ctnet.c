/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctnet.h"

#include "tools/ct/netplan.h"
#include "tools/runstate.h"

int ctnet_check(const char *store, const char *id, const struct spec *s,
		struct why *why)
{
	struct runstate names = { .init = 0 };
	struct why said = { "" };
	int r;

	runstate_names(store, id, &names);
	r = netplan_check(&s->net, names.net, &said);
	return r < 0 ? why_set(why, r, "container %s: %s", id, said.text) : 0;
}
