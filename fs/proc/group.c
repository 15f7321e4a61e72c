/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/group.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "fs/base/cleanup.h"
#include "fs/proc/procfd.h"
#include "fs/proc/proctext.h"

#define LEVELS 16u

/* Where a file is and what v1 and v2 call it; NULL: it has none. */
static const struct file_row {
	enum group_dir dir;
	const char *name[2];
} files[GROUP_FILES] = {
	[GROUP_MEM_STAT] = { GROUP_MEMORY, { "memory.stat", "memory.stat" } },
	[GROUP_MEM_USED] = { GROUP_MEMORY,
			     { "memory.usage_in_bytes", "memory.current" } },
	[GROUP_MEM_PEAK] = { GROUP_MEMORY,
			     { "memory.max_usage_in_bytes", "memory.peak" } },
	[GROUP_MEM_EVENTS] = { GROUP_MEMORY,
			       { "memory.failcnt", "memory.events" } },
	[GROUP_SWAP_USED] = { GROUP_MEMORY,
			      { "memory.memsw.usage_in_bytes",
				"memory.swap.current" } },
	[GROUP_SWAP_PEAK] = { GROUP_MEMORY, { NULL, "memory.swap.peak" } },
	[GROUP_SWAP_EVENTS] = { GROUP_MEMORY,
				{ "memory.memsw.failcnt",
				  "memory.swap.events" } },
	[GROUP_OOMS] = { GROUP_MEMORY, { "memory.oom_control", NULL } },
	[GROUP_MEM_LOW] = { GROUP_MEMORY, { NULL, "memory.low" } },
	[GROUP_MEM_MIN] = { GROUP_MEMORY, { NULL, "memory.min" } },
	[GROUP_KERNEL_USED] = { GROUP_MEMORY,
				{ "memory.kmem.usage_in_bytes", NULL } },
	[GROUP_KERNEL_PEAK] = { GROUP_MEMORY,
				{ "memory.kmem.max_usage_in_bytes", NULL } },
	[GROUP_KERNEL_EVENTS] = { GROUP_MEMORY,
				  { "memory.kmem.failcnt", NULL } },
	[GROUP_TCP_USED] = { GROUP_MEMORY,
			     { "memory.kmem.tcp.usage_in_bytes", NULL } },
	[GROUP_CPU_STAT] = { GROUP_CPU, { "cpu.stat", "cpu.stat" } },
	[GROUP_CPU_USAGE] = { GROUP_CPUACCT, { "cpuacct.usage_all", NULL } },
	[GROUP_CPU_TOTAL] = { GROUP_CPUACCT, { "cpuacct.usage", NULL } },
	[GROUP_CPUS] = { GROUP_CPUSET,
			 { "cpuset.effective_cpus", "cpuset.cpus.effective" } },
	[GROUP_IO_BYTES] = { GROUP_BLKIO,
			     { "blkio.throttle.io_service_bytes_recursive",
			       "io.stat" } },
	[GROUP_IO_OPS] = { GROUP_BLKIO,
			   { "blkio.throttle.io_serviced_recursive", NULL } },
	[GROUP_PIDS_NOW] = { GROUP_PIDS, { "pids.current", "pids.current" } },
	[GROUP_PIDS_PEAK] = { GROUP_PIDS, { "pids.peak", "pids.peak" } },
	[GROUP_PIDS_MAX] = { GROUP_PIDS, { "pids.max", "pids.max" } },
	[GROUP_PIDS_EVENTS] = { GROUP_PIDS, { "pids.events", "pids.events" } },
	[GROUP_PSI_CPU] = { GROUP_UNIFIED, { NULL, "cpu.pressure" } },
	[GROUP_PSI_IO] = { GROUP_UNIFIED, { NULL, "io.pressure" } },
	[GROUP_PSI_MEMORY] = { GROUP_UNIFIED, { NULL, "memory.pressure" } },
};

/* Limits: of the group itself, then of each above it. */
enum limit { LIMIT_MEMORY, LIMIT_SWAP, LIMIT_QUOTA, LIMIT_PERIOD, LIMITS };

static const struct file_row limits[LIMITS] = {
	[LIMIT_MEMORY] = { GROUP_MEMORY,
			   { "memory.limit_in_bytes", "memory.max" } },
	[LIMIT_SWAP] = { GROUP_MEMORY,
			 { "memory.memsw.limit_in_bytes", "memory.swap.max" } },
	[LIMIT_QUOTA] = { GROUP_CPU, { "cpu.cfs_quota_us", "cpu.max" } },
	[LIMIT_PERIOD] = { GROUP_CPU, { "cpu.cfs_period_us", NULL } },
};

struct group {
	int dir[GROUP_DIRS];
	bool v2[GROUP_DIRS];
	int file[GROUP_FILES];
	int limit[LEVELS][LIMITS];
};

/* 1: v1, 2: v2, or -errno; *st as the directory is. */
static int version(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return -errno;
	if (st.f_type == CGROUP2_SUPER_MAGIC)
		return 2;
	return st.f_type == CGROUP_SUPER_MAGIC ? 1 : -EINVAL;
}

static int open_file(int dir, const char *name)
{
	return name ? openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
}

/* The limits of a directory and those above; the top of a hierarchy has no
 * memory.max, and above it there is another filesystem. */
static void open_levels(struct group *g, enum group_dir d)
{
	_cleanup_close_ int at = dup(g->dir[d]);
	unsigned v = g->v2[d];

	for (unsigned i = 0; i < LEVELS && at >= 0; i++) {
		int up;

		for (unsigned l = 0; l < LIMITS; l++)
			if (limits[l].dir == d)
				g->limit[i][l] =
					open_file(at, limits[l].name[v]);
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = up;
		if (at < 0 || version(at) != (int)v + 1)
			return;
	}
}

static int open_dir(struct group *g, enum group_dir d, const char *path)
{
	int v;

	g->dir[d] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (g->dir[d] < 0)
		return -errno;
	v = version(g->dir[d]);
	if (v < 0)
		return v;
	g->v2[d] = v == 2;
	for (unsigned f = 0; f < GROUP_FILES; f++)
		if (files[f].dir == d)
			g->file[f] =
				open_file(g->dir[d], files[f].name[g->v2[d]]);
	if (d == GROUP_MEMORY || d == GROUP_CPU)
		open_levels(g, d);
	return 0;
}

int group_open(struct group **out, const struct group_paths *paths)
{
	struct group *g = malloc(sizeof(*g));
	int r = 0;

	if (!g)
		return -ENOMEM;
	memset(g, 0xff, sizeof(*g)); /* no descriptor is -1 */
	memset(g->v2, 0, sizeof(g->v2));
	for (unsigned d = 0; d < GROUP_DIRS && r == 0; d++)
		if (paths->dir[d])
			r = open_dir(g, d, paths->dir[d]);
	if (r < 0) {
		group_free(g);
		return r;
	}
	*out = g;
	return 0;
}

static void close_all(const int *fd, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

void group_free(struct group *g)
{
	if (!g)
		return;
	close_all(g->dir, GROUP_DIRS);
	close_all(g->file, GROUP_FILES);
	for (unsigned i = 0; i < LEVELS; i++)
		close_all(g->limit[i], LIMITS);
	free(g);
}

bool group_has(const struct group *g, enum group_dir d)
{
	return g->dir[d] >= 0;
}

bool group_is_v2(const struct group *g, enum group_dir d)
{
	return g->v2[d];
}

bool group_tells(const struct group *g, enum group_file f)
{
	return g->file[f] >= 0;
}

int group_fd(const struct group *g, enum group_dir d)
{
	return g->dir[d];
}

int group_text(const struct group *g, enum group_file f, struct strbuf *out)
{
	return procfd_read(g->file[f], out);
}

bool group_number(const struct group *g, enum group_file f, uint64_t *out)
{
	char text[64];
	ssize_t n;
	uint64_t v;

	if (g->file[f] < 0)
		return false;
	n = pread(g->file[f], text, sizeof(text) - 1, 0);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* -1 as what no file of these says */
	v = proctext_number(text, UINT64_MAX);
	*out = v;
	return true;
}

/* Limits. */

/* A v1 limit of none is the largest number of whole pages. */
static uint64_t bytes_limit(int fd)
{
	uint64_t v = procfd_number(fd, GROUP_UNLIMITED);

	return v >= (uint64_t)INT64_MAX - 65536 ? GROUP_UNLIMITED : v;
}

static bool is_gone(int fd)
{
	char c;

	return fd >= 0 && pread(fd, &c, 1, 0) < 0;
}

static uint64_t least(const struct group *g, enum limit l)
{
	uint64_t v = GROUP_UNLIMITED;

	for (unsigned i = 0; i < LEVELS; i++)
		if (g->limit[i][l] >= 0)
			v = proctext_min(v, bytes_limit(g->limit[i][l]));
	return v;
}

bool group_memory_limit(const struct group *g, uint64_t *bytes)
{
	if (is_gone(g->limit[0][LIMIT_MEMORY]))
		return false;
	*bytes = least(g, LIMIT_MEMORY);
	return true;
}

bool group_swap_limit(const struct group *g, uint64_t *bytes)
{
	uint64_t both;

	if (is_gone(g->limit[0][LIMIT_SWAP]))
		return false;
	both = least(g, LIMIT_SWAP);
	if (!g->v2[GROUP_MEMORY] && both != GROUP_UNLIMITED)
		both = proctext_less(both, least(g, LIMIT_MEMORY));
	*bytes = both;
	return true;
}

/* One level's, "max 100000" or "150000 100000"; on v1 by two files. */
static uint64_t quota_of(const struct group *g, unsigned level)
{
	uint64_t quota = GROUP_UNLIMITED, period = 100000;
	struct proctext line, word;
	const char *cursor;
	char text[96];
	ssize_t n;

	n = pread(g->limit[level][LIMIT_QUOTA], text, sizeof(text) - 1, 0);
	if (n <= 0)
		return GROUP_UNLIMITED;
	text[n] = '\0';
	cursor = text;
	if (!proctext_line(&cursor, &line) || !proctext_word(&line, &word) ||
	    !proctext_u64(&word, &quota))
		return GROUP_UNLIMITED;
	if (g->limit[level][LIMIT_PERIOD] >= 0)
		period = procfd_number(g->limit[level][LIMIT_PERIOD], period);
	else if (proctext_word(&line, &word))
		proctext_u64(&word, &period);
	if (quota == GROUP_UNLIMITED || period == 0 || period > UINT32_MAX)
		return GROUP_UNLIMITED;
	return proctext_scale(quota, 1000, period) +
	       (quota * 1000 % period != 0);
}

bool group_cpu_limit(const struct group *g, uint64_t *milli)
{
	uint64_t v = GROUP_UNLIMITED;

	if (is_gone(g->limit[0][LIMIT_QUOTA]))
		return false;
	for (unsigned i = 0; i < LEVELS; i++)
		if (g->limit[i][LIMIT_QUOTA] >= 0)
			v = proctext_min(v, quota_of(g, i));
	*milli = v;
	return true;
}
