/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/cgusage.h"

#include "tools/ct/knob.h"

/* vefs/NAME where the controller is; -1: nowhere. */
static int dir_of(const struct cgroup *g, enum hier_controller c, int *version)
{
	int i = hier_of(&g->hiers, c);

	*version = i < 0 ? 0 : g->hiers.h[i].version;
	return i < 0 ? -1 : g->dir[i];
}

/* What cannot be read stays as it is. */
static void number(int dir, const char *file, uint64_t *out)
{
	(void)knob_number(dir, file, out);
}

static void memory_v1(int dir, struct cgroup_usage *u)
{
	uint64_t memsw = SPEC_UNLIMITED;

	number(dir, "payload/memory.usage_in_bytes", &u->ram);
	number(dir, "payload/memory.limit_in_bytes", &u->ram_max);
	(void)knob_key(dir, "payload/memory.stat", "swap", &u->swap);
	number(dir, "payload/memory.memsw.limit_in_bytes", &memsw);
	if (memsw != SPEC_UNLIMITED && memsw >= u->ram_max)
		u->swap_max = memsw - u->ram_max;
	(void)knob_key(dir, "payload/memory.oom_control", "oom_kill",
		       &u->oom_kills);
}

static void memory_v2(int dir, struct cgroup_usage *u)
{
	number(dir, "payload/memory.current", &u->ram);
	number(dir, "payload/memory.max", &u->ram_max);
	number(dir, "payload/memory.swap.current", &u->swap);
	number(dir, "payload/memory.swap.max", &u->swap_max);
	(void)knob_key(dir, "payload/memory.events", "oom_kill", &u->oom_kills);
}

void cgusage_read(const struct cgroup *g, struct cgroup_usage *out)
{
	const uint64_t no = SPEC_UNLIMITED;
	struct cgroup_usage u = { no, no, no, no, no, no, no, no };
	int version, dir;

	dir = dir_of(g, HIER_MEMORY, &version);
	if (dir >= 0 && version == 1)
		memory_v1(dir, &u);
	else if (dir >= 0)
		memory_v2(dir, &u);
	dir = dir_of(g, HIER_PIDS, &version);
	if (dir >= 0) {
		number(dir, "payload/pids.current", &u.processes);
		number(dir, "payload/pids.max", &u.processes_max);
	}
	dir = dir_of(g, HIER_CPUACCT, &version);
	if (dir >= 0 && version == 1)
		number(dir, "cpuacct.usage", &u.cpu);
	else if (dir >= 0 && !knob_key(dir, "cpu.stat", "usage_usec", &u.cpu))
		u.cpu *= 1000;
	*out = u;
}
