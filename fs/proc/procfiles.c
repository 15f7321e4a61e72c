/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procfiles.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/cpuinfo.h"
#include "fs/proc/meminfo.h"
#include "fs/proc/procmounts.h"
#include "fs/proc/procsmall.h"
#include "fs/proc/procstat.h"
#include "fs/proc/proctext.h"
#include "fs/proc/procubc.h"

/*
 * An inode's number is (processor + 1) << 16 and the index of its row or
 * directory: directories from 1 on, rows from FIRST_ROW. Processor + 1 is 0
 * for what is none's.
 */
#define FIRST_ROW 32u
#define CPU "sys/devices/system/cpu"
#define BLOCK "sys/block"
#define DISK BLOCK "/" PROCSMALL_DISK

/* How long a text may be shown again: what moves, and what a limit makes. */
#define SOON 100
#define LATER 1000

#define SHARED(parts, from, ttl)                                               \
	(parts), (from), PROCFILES_SHARED, (ttl), 0444, true
#define OPENED(parts, from, mode, bind)                                        \
	(parts), (from), PROCFILES_OPENED, 0, (mode), (bind)
#define TOPOLOGY                                                               \
	SOURCE_CPU, PROCFILES_NUMBERS, PROCFILES_SHARED, LATER, 0444, false

#define OF_DISK(parts, ttl)                                                    \
	(parts), PROCFILES_NUMBERS, PROCFILES_SHARED, (ttl), 0444, false

#define TIMES (SOURCE_TIME | SOURCE_CPU)
#define ALL (TIMES | SOURCE_MEM | SOURCE_IO | SOURCE_TASKS)

static const struct procfiles_row rows[] = {
	{ "proc/cgroups", procsmall_cgroups, SHARED(0, PROCFILES_HOST, LATER) },
	{ "proc/cmdline", procsmall_cmdline,
	  SHARED(0, PROCFILES_NUMBERS, LATER) },
	{ "proc/cpuinfo", cpuinfo_render,
	  SHARED(SOURCE_CPU, PROCFILES_HOST, LATER) },
	{ "proc/devices", procsmall_devices, SHARED(0, PROCFILES_HOST, LATER) },
	{ "proc/diskstats", procsmall_diskstats,
	  SHARED(SOURCE_IO, PROCFILES_NUMBERS, SOON) },
	{ "proc/filesystems", procsmall_filesystems,
	  SHARED(0, PROCFILES_HOST, LATER) },
	{ "proc/loadavg", procstat_loadavg,
	  SHARED(SOURCE_LOAD | SOURCE_TASKS, PROCFILES_NUMBERS, SOON) },
	{ "proc/meminfo", meminfo_render,
	  SHARED(SOURCE_MEM, PROCFILES_HOST, SOON) },
	{ "proc/mounts", procmounts_render,
	  OPENED(0, PROCFILES_CALLER, 0444, true) },
	{ "proc/partitions", procsmall_partitions,
	  SHARED(0, PROCFILES_NUMBERS, LATER) },
	{ "proc/pressure/cpu", procsmall_host,
	  OPENED(0, PROCFILES_PRESSURE, 0444, false) },
	{ "proc/pressure/io", procsmall_host,
	  OPENED(0, PROCFILES_PRESSURE, 0444, false) },
	{ "proc/pressure/memory", procsmall_host,
	  OPENED(0, PROCFILES_PRESSURE, 0444, false) },
	{ "proc/stat", procstat_render,
	  SHARED(TIMES | SOURCE_RUNNING, PROCFILES_NUMBERS, SOON) },
	{ "proc/swaps", procsmall_swaps,
	  SHARED(SOURCE_MEM, PROCFILES_NUMBERS, SOON) },
	{ "proc/uptime", procstat_uptime, TIMES, PROCFILES_NUMBERS,
	  PROCFILES_SHARED, SOON, 0444, false },
	{ "proc/user_beancounters", procubc_render,
	  OPENED(ALL, PROCFILES_EXTRA, 0400, true) },
	{ "proc/vmstat", procsmall_vmstat,
	  SHARED(SOURCE_MEM | SOURCE_IO, PROCFILES_HOST, SOON) },
	{ "proc/vz/veinfo", procubc_veinfo,
	  OPENED(SOURCE_TASKS, PROCFILES_EXTRA, 0444, false) },
	{ "proc/vz/vestat", procubc_vestat,
	  OPENED(TIMES, PROCFILES_NUMBERS, 0444, false) },
	{ DISK "/dev", procsmall_disk_dev, OF_DISK(0, LATER) },
	{ DISK "/removable", cpuinfo_zero, OF_DISK(0, LATER) },
	{ DISK "/ro", cpuinfo_zero, OF_DISK(0, LATER) },
	{ DISK "/size", procsmall_disk_size, OF_DISK(0, LATER) },
	{ DISK "/stat", procsmall_disk_stat, OF_DISK(SOURCE_IO, SOON) },
	{ CPU "/kernel_max", cpuinfo_kernel_max, TOPOLOGY },
	{ CPU "/offline", cpuinfo_none, TOPOLOGY },
	{ CPU "/online", cpuinfo_range, TOPOLOGY },
	{ CPU "/possible", cpuinfo_range, TOPOLOGY },
	{ CPU "/present", cpuinfo_range, TOPOLOGY },
	{ CPU "/cpu*/online", cpuinfo_one, TOPOLOGY },
	{ CPU "/cpu*/topology/core_cpus", cpuinfo_self_mask, TOPOLOGY },
	{ CPU "/cpu*/topology/core_cpus_list", cpuinfo_self_list, TOPOLOGY },
	{ CPU "/cpu*/topology/core_id", cpuinfo_core, TOPOLOGY },
	{ CPU "/cpu*/topology/core_siblings", cpuinfo_all_mask, TOPOLOGY },
	{ CPU "/cpu*/topology/core_siblings_list", cpuinfo_range, TOPOLOGY },
	{ CPU "/cpu*/topology/die_id", cpuinfo_zero, TOPOLOGY },
	{ CPU "/cpu*/topology/package_cpus", cpuinfo_all_mask, TOPOLOGY },
	{ CPU "/cpu*/topology/package_cpus_list", cpuinfo_range, TOPOLOGY },
	{ CPU "/cpu*/topology/physical_package_id", cpuinfo_zero, TOPOLOGY },
	{ CPU "/cpu*/topology/thread_siblings", cpuinfo_self_mask, TOPOLOGY },
	{ CPU "/cpu*/topology/thread_siblings_list", cpuinfo_self_list,
	  TOPOLOGY },
};

static const char *const dirs[] = {
	NULL,
	"", /* the root is 1 */
	"proc",
	"proc/pressure",
	"proc/vz",
	"sys",
	BLOCK,
	DISK,
	"sys/devices",
	"sys/devices/system",
	CPU,
	CPU "/cpu*",
	CPU "/cpu*/topology",
};

const struct procfiles_row *procfiles_table(unsigned *n)
{
	*n = ARRAY_SIZE(rows);
	return rows;
}

const char *const *procfiles_dirs(void)
{
	static const char *const whole[] = { BLOCK, CPU, "proc/vz", NULL };

	return whole;
}

/* The path of an entry by its index; NULL: there is none. */
static const char *path_of(unsigned index)
{
	if (index < ARRAY_SIZE(dirs))
		return dirs[index];
	if (index < FIRST_ROW || index - FIRST_ROW >= ARRAY_SIZE(rows))
		return NULL;
	return rows[index - FIRST_ROW].path;
}

static bool is_per_cpu(const char *path)
{
	return strchr(path, '*') != NULL;
}

bool procfiles_get(uint64_t ino, uint32_t cpus, struct procfiles_node *out)
{
	unsigned index = ino & 0xffff;
	uint64_t cpu = ino >> 16;
	const char *path = path_of(index);

	if (!path || is_per_cpu(path) != (cpu > 0) || cpu > cpus)
		return false;
	out->ino = ino;
	out->row = index >= FIRST_ROW ? &rows[index - FIRST_ROW] : NULL;
	out->index = index >= FIRST_ROW ? index - FIRST_ROW : 0;
	out->per_cpu = cpu > 0;
	out->cpu = cpu ? (uint32_t)cpu - 1 : 0;
	return true;
}

/* The name of an entry in the directory `dir`; NULL: it is not in there. */
static const char *leaf_in(unsigned index, const char *dir)
{
	const char *path = path_of(index);
	size_t len = strlen(dir);

	if (!path || !*path || strncmp(path, dir, len) != 0)
		return NULL;
	path += len;
	if (len > 0 && *path++ != '/')
		return NULL;
	return *path && !strchr(path, '/') ? path : NULL;
}

/* Is `name` what `leaf` stands for; with the processor that it names? */
static bool matches(const char *leaf, const char *name, uint64_t *cpu)
{
	struct proctext digits = { name + 3, 0 };
	char again[PROCFILES_NAME_MAX];
	uint64_t n;

	if (strcmp(leaf, "cpu*") != 0)
		return strcmp(leaf, name) == 0;
	if (strncmp(name, "cpu", 3) != 0)
		return false;
	digits.len = strlen(digits.s);
	if (!proctext_u64(&digits, &n) || n > UINT32_MAX)
		return false;
	/* not "cpu01" */
	snprintf(again, sizeof(again), "cpu%" PRIu64, n);
	*cpu = n + 1;
	return strcmp(again, name) == 0;
}

bool procfiles_lookup(uint64_t dir, const char *name, uint32_t cpus,
		      struct procfiles_node *out)
{
	struct procfiles_node d;
	uint64_t cpu;

	if (!procfiles_get(dir, cpus, &d) || d.row)
		return false;
	for (unsigned i = 2; i < FIRST_ROW + ARRAY_SIZE(rows); i++) {
		const char *leaf = leaf_in(i, dirs[dir & 0xffff]);

		cpu = dir >> 16;
		if (leaf && matches(leaf, name, &cpu))
			return procfiles_get(cpu << 16 | i, cpus, out);
	}
	return false;
}

/* `at` is index << 32 | how many of its processors were told. */
bool procfiles_next(uint64_t dir, uint64_t *at, uint32_t cpus,
		    char name[PROCFILES_NAME_MAX], struct procfiles_node *out)
{
	unsigned i = (unsigned)(*at >> 32);
	uint64_t told = *at & UINT32_MAX;
	struct procfiles_node d;

	if (!procfiles_get(dir, cpus, &d) || d.row)
		return false;
	for (; i < FIRST_ROW + ARRAY_SIZE(rows); i++, told = 0) {
		const char *leaf = leaf_in(i, dirs[dir & 0xffff]);
		uint64_t cpu = dir >> 16;
		uint64_t count = leaf && !strcmp(leaf, "cpu*") ? cpus : 1;

		if (!leaf || told >= count)
			continue;
		if (!strcmp(leaf, "cpu*"))
			cpu = told + 1;
		if (cpu && cpu != dir >> 16)
			snprintf(name, PROCFILES_NAME_MAX, "cpu%" PRIu64, told);
		else
			snprintf(name, PROCFILES_NAME_MAX, "%s", leaf);
		/* NOLINTNEXTLINE(clang-analyzer-core.*): i is a row of the table */
		*at = (uint64_t)i << 32 | (told + 1);
		return procfiles_get(cpu << 16 | i, cpus, out);
	}
	return false;
}
