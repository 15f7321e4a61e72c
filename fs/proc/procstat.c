/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procstat.h"

#include <inttypes.h>
#include <stdio.h>

#include "fs/proc/procload.h"
#include "fs/proc/proctext.h"

#define TICK ((uint64_t)10000000) /* ns: USER_HZ is 100 */

/* user nice system idle iowait irq softirq steal guest guest_nice */
static void put_cpu(struct strbuf *out, const char *name,
		    const struct cpuacc_cpu *c)
{
	strbuf_addf(out,
		    "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		    " 0 0 0 %" PRIu64 " 0 0\n",
		    name, c->time[CPUACC_USER] / TICK,
		    c->time[CPUACC_NICE] / TICK, c->time[CPUACC_SYSTEM] / TICK,
		    c->time[CPUACC_IDLE] / TICK, c->time[CPUACC_STEAL] / TICK);
}

static void put_cpus(const struct numbers *n, struct strbuf *out)
{
	const struct cpuacc_cpu *all;
	struct cpuacc_cpu sum;
	char name[16];
	uint32_t count;

	if (!n->times)
		return;
	cpuacc_total(n->times, &sum);
	put_cpu(out, "cpu ", &sum);
	all = cpuacc_cpus(n->times, &count);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "cpu%" PRIu32, i);
		put_cpu(out, name, &all[i]);
	}
}

/*
 * Interrupts and context switches are the machine's; nobody counts them by
 * group.
 */
void procstat_render(const struct procview *v, struct strbuf *out)
{
	const struct numbers *n = v->n;

	put_cpus(n, out);
	strbuf_addf(out,
		    "intr 0\nctxt 0\nbtime %" PRIu64 "\nprocesses %" PRIu64
		    "\nprocs_running %" PRIu64 "\nprocs_blocked %" PRIu64
		    "\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
		    n->btime, n->last_pid, n->running ? n->running : 1,
		    n->blocked);
}

void procstat_uptime(const struct procview *v, struct strbuf *out)
{
	const struct numbers *n = v->n;
	uint64_t up = proctext_less(n->at, n->start) / TICK, idle = 0;
	struct cpuacc_cpu sum;

	if (n->times) {
		cpuacc_total(n->times, &sum);
		idle = sum.time[CPUACC_IDLE] / TICK;
	}
	strbuf_addf(out, "%" PRIu64 ".%02u %" PRIu64 ".%02u\n", up / 100,
		    (unsigned)(up % 100), idle / 100, (unsigned)(idle % 100));
}

void procstat_loadavg(const struct procview *v, struct strbuf *out)
{
	const struct numbers *n = v->n;

	for (unsigned i = 0; i < 3; i++) {
		/* to the nearest hundredth */
		uint64_t c =
			(n->load[i] * 100 + PROCLOAD_ONE / 2) / PROCLOAD_ONE;

		strbuf_addf(out, "%" PRIu64 ".%02u ", c / 100,
			    (unsigned)(c % 100));
	}
	strbuf_addf(out, "%" PRIu64 "/%" PRIu64 " %" PRIu64 "\n",
		    n->running ? n->running : 1, n->tasks ? n->tasks : 1,
		    n->last_pid);
}
