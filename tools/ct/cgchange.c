/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/cgchange.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const words[SPEC_NUMBERS] = {
	[SPEC_CPUUNITS] = "cpuunits", [SPEC_CPULIMIT] = "cpulimit",
	[SPEC_RAM] = "ram",	      [SPEC_SWAP] = "swap",
	[SPEC_NUMPROC] = "numproc",   [SPEC_IOPRIO] = "ioprio",
	[SPEC_IOLIMIT] = "iolimit",   [SPEC_IOPSLIMIT] = "iopslimit",
};

const char *cgchange_word(enum spec_number n)
{
	return words[n];
}

int cgchange_hier(const struct cgchange *c, enum hier_controller controller,
		  int *version)
{
	int i = hier_of(&c->g->hiers, controller);

	if (i < 0 || c->g->dir[i] < 0)
		return -1;
	*version = c->g->hiers.h[i].version;
	return i;
}

int cgchange_lack(struct cgchange *c, enum spec_number n)
{
	if (c->may_lack & 1u << n) {
		c->lacks |= 1u << n;
		return 0;
	}
	return why_set(c->why, -EOPNOTSUPP,
		       "%s of %s: the cgroups here cannot limit it", words[n],
		       c->g->name);
}

int cgchange_write(struct cgchange *c, int i, const char *path,
		   const char *text)
{
	int r = knob_change(&c->journal, c->g->dir[i], path, text);

	if (r < 0 && r != -ENOENT)
		why_sys(c->why, r, "%s into %s/" CGROUPPRIV_TOP "/%s/%s", text,
			c->g->hiers.h[i].path, c->g->name, path);
	return r;
}

int cgchange_number(struct cgchange *c, int i, const char *path, uint64_t value,
		    const char *unlimited)
{
	char text[32];

	if (value == SPEC_UNLIMITED)
		return cgchange_write(c, i, path, unlimited);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return cgchange_write(c, i, path, text);
}
