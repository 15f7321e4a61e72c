/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order matters in two places only. v1's cpuset of a group must hold those
 * of the groups below at any time, so vefs/NAME gets both the old and the new
 * list, then its parts the new one, then it too. Memory: see cgmemory.
 *
 * What asks for least comes last: memory may have to be freed first, which
 * takes long and may fail, so it is tried when all else is known to be taken.
 */
#include "tools/ct/cglimit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/parse.h"
#include "tools/ct/cgchange.h"
#include "tools/ct/cgio.h"
#include "tools/ct/cgmemory.h"

#define PERIOD_US 100000u
#define UNITS_USUAL 1000u
#define PROCESSES_MAX 4194304u /* the kernel's own end */

static uint64_t within(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

uint64_t cglimit_shares(uint64_t units)
{
	return within((within(units, 1, 1u << 20) * 1024 + 500) / 1000, 2,
		      262144);
}

uint64_t cglimit_weight(uint64_t units)
{
	return within((within(units, 1, 1u << 20) + 5) / 10, 1, 10000);
}

/* ---- plain numbers -------------------------------------------------------- */

static int set_cpuunits(struct cgchange *c, int i, int version)
{
	uint64_t units = c->l->number[SPEC_CPUUNITS];

	if (units == SPEC_UNLIMITED)
		units = UNITS_USUAL;
	if (version == 1)
		return cgchange_number(c, i, "cpu.shares",
				       cglimit_shares(units), "");
	return cgchange_number(c, i, "cpu.weight", cglimit_weight(units), "");
}

static int set_cpulimit(struct cgchange *c, int i, int version)
{
	uint64_t percent = c->l->number[SPEC_CPULIMIT];
	uint64_t quota = percent;
	char text[64];

	if (percent != SPEC_UNLIMITED)
		quota = within(percent, 0, UINT32_MAX) * (PERIOD_US / 100);
	if (version == 1)
		return cgchange_number(c, i, "cpu.cfs_quota_us", quota, "-1");
	if (quota == SPEC_UNLIMITED)
		snprintf(text, sizeof(text), "max %u", PERIOD_US);
	else
		snprintf(text, sizeof(text), "%" PRIu64 " %u", quota,
			 PERIOD_US);
	return cgchange_write(c, i, "cpu.max", text);
}

static int set_numproc(struct cgchange *c, int i, int version _unused_)
{
	uint64_t n = c->l->number[SPEC_NUMPROC];

	if (n > PROCESSES_MAX)
		n = SPEC_UNLIMITED;
	return cgchange_number(c, i, "payload/pids.max", n, "max");
}

static const struct {
	enum spec_number n;
	enum hier_controller controller;
	/* -ENOENT: there is no file for it */
	int (*set)(struct cgchange *c, int i, int version);
} plain[] = {
	{ SPEC_CPUUNITS, HIER_CPU, set_cpuunits },
	{ SPEC_CPULIMIT, HIER_CPU, set_cpulimit },
	{ SPEC_NUMPROC, HIER_PIDS, set_numproc },
};

static int set_plain(struct cgchange *c)
{
	int r = 0;

	for (size_t k = 0; k < ARRAY_SIZE(plain) && r == 0; k++) {
		int version = 0;
		int i = cgchange_hier(c, plain[k].controller, &version);

		if (!spec_gives(c->l, plain[k].n))
			continue;
		r = i < 0 ? -ENOENT : plain[k].set(c, i, version);
		if (r == -ENOENT)
			r = cgchange_lack(c, plain[k].n);
	}
	return r;
}

/* ---- CPUs and nodes ------------------------------------------------------- */

int cglimit_list(const char *list, uint8_t bits[CGLIMIT_BITS / 8])
{
	uint64_t first, last;

	memset(bits, 0, CGLIMIT_BITS / 8);
	for (const char *p = list;; p++) {
		int r = parse_u64_at(&p, CGLIMIT_BITS - 1, &first);

		last = first;
		if (r == 0 && *p == '-') {
			p++;
			r = parse_u64_at(&p, CGLIMIT_BITS - 1, &last);
		}
		if (r < 0)
			return r;
		if (last < first || (*p && *p != ','))
			return -EINVAL;
		for (uint64_t b = first; b <= last; b++)
			bits[b / 8] |= (uint8_t)(1u << b % 8);
		if (!*p)
			return 0;
	}
}

/* Is each of `list` in `all`? The kernel takes what it has not on v2. */
static int check_list(struct cgchange *c, const char *what, const char *list,
		      const char *all)
{
	uint8_t want[CGLIMIT_BITS / 8], have[CGLIMIT_BITS / 8];
	int r = cglimit_list(list, want);

	if (r < 0)
		return why_set(c->why, r,
			       "%s %s of %s: not a list of numbers as 0-3,8",
			       what, list, c->g->name);
	r = cglimit_list(all, have);
	for (size_t b = 0; b < sizeof(want) && r == 0; b++)
		if (want[b] & ~have[b])
			r = -EINVAL;
	return r < 0 ? why_set(c->why, r, "%s %s of %s: this machine has %s",
			       what, list, c->g->name, all)
		     : 0;
}

static int write_list_v1(struct cgchange *c, int i, const char *file,
			 const char *list)
{
	char was[1024], both[2 * sizeof(was)], path[64];
	int r = knob_read(c->g->dir[i], file, was, sizeof(was));

	if (r < 0)
		return r;
	snprintf(both, sizeof(both), "%s,%s", was, list);
	r = cgchange_write(c, i, file, both);
	for (int part = 0; part < 2 && r == 0; part++) {
		snprintf(path, sizeof(path), "%s/%s", cgrouppriv_part(part),
			 file);
		r = cgchange_write(c, i, path, list);
	}
	return r < 0 ? r : cgchange_write(c, i, file, list);
}

/*
 * "" is what lets it follow the machine, and is refused once there are
 * processes: then it is all that there is now, here and on the way back.
 */
static int write_list_v2(struct cgchange *c, int i, const char *file,
			 const char *list, const char *all)
{
	int dir = c->g->dir[i], r;
	char was[1024];

	r = knob_read(dir, file, was, sizeof(was));
	if (r < 0)
		return r;
	if (!*list) {
		r = knob_change(&c->journal, dir, file, list);
		if (r != -ENOSPC)
			return r;
		list = all;
	}
	r = cgchange_write(c, i, file, list);
	if (r == 0 && !*was)
		r = knob_change_as(&c->journal, dir, file, list, all);
	return r;
}

static int set_list(struct cgchange *c, const char *what, const char *file,
		    const char *list)
{
	char all[1024], top[64];
	int version = 0, i = cgchange_hier(c, HIER_CPUSET, &version), r;

	if (!*list)
		return 0;
	snprintf(top, sizeof(top), "%s%s", file,
		 version == 2 ? ".effective" : "");
	r = i < 0 ? -ENOENT
		  : knob_read(c->g->hiers.h[i].top, top, all, sizeof(all));
	if (r >= 0 && strcmp(list, "all") != 0)
		r = check_list(c, what, list, all);
	else if (r >= 0)
		list = version == 1 ? all : "";
	if (r >= 0)
		r = version == 1 ? write_list_v1(c, i, file, list)
				 : write_list_v2(c, i, file, list, all);
	if (r == -ENOENT)
		return why_set(c->why, -EOPNOTSUPP,
			       "%s of %s: no cpuset controller in the cgroups "
			       "here",
			       what, c->g->name);
	return r;
}

/* ---- all ------------------------------------------------------------------ */

static void tell_lacks(const struct cgchange *c)
{
	char text[256] = "";

	for (int n = 0; n < SPEC_NUMBERS; n++)
		if (c->lacks & 1u << n)
			snprintf(text + strlen(text),
				 sizeof(text) - strlen(text), "%s%s",
				 *text ? ", " : "",
				 cgchange_word((enum spec_number)n));
	if (*text)
		why_set(c->why, 0,
			"%s: not limited by the cgroups here, which cannot: %s",
			c->g->name, text);
}

int cglimit_set(const struct cgroup *g, const struct spec_limits *l,
		uint32_t may_lack, struct why *why)
{
	struct cgchange c = { .g = g, .l = l, .may_lack = may_lack, .why = why };
	int r = set_plain(&c);

	if (r == 0)
		r = set_list(&c, "cpumask", "cpuset.cpus", l->cpumask);
	if (r == 0)
		r = set_list(&c, "nodemask", "cpuset.mems", l->nodemask);
	if (r == 0)
		r = cgio_set(&c);
	if (r == 0)
		r = cgmemory_set(&c);
	if (r < 0) {
		knob_undo(&c.journal);
		return why_sys(why, r, "limits of %s", g->name);
	}
	knob_forget(&c.journal);
	tell_lacks(&c);
	return 0;
}
