/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/knob.h"
#include "tools/ct/usual.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"

/* A limit can be lowered in a user namespace, but not raised. */
#define ALL RLIM_INFINITY
#define MANY (RLIM_INFINITY - 1) /* half of threads-max, as the kernel has it */
#define FILES (RLIM_INFINITY - 2) /* as systemd has it, nr_open at most */
#define FILES_MAX 524288
#define STACK (8u << 20)
#define LOCKED (8u << 20)
#define QUEUES 819200
#define CPUS_MAX 8192
#define SLACK_NS 50000
#define IO_NONE 0
#define IO_OF_PROCESS 1

static const struct {
	int which;
	rlim_t soft, hard;
	rlim_t maker; /* both of who makes containers */
} limits[] = {
	{ RLIMIT_CPU, ALL, ALL, ALL },
	{ RLIMIT_FSIZE, ALL, ALL, ALL },
	{ RLIMIT_DATA, ALL, ALL, ALL },
	{ RLIMIT_STACK, STACK, ALL, 0 },
	{ RLIMIT_CORE, 0, ALL, 0 },
	{ RLIMIT_RSS, ALL, ALL, ALL },
	{ RLIMIT_NPROC, MANY, MANY, ALL },
	{ RLIMIT_NOFILE, 1024, FILES, FILES },
	{ RLIMIT_MEMLOCK, LOCKED, LOCKED, ALL },
	{ RLIMIT_AS, ALL, ALL, ALL },
	{ RLIMIT_LOCKS, ALL, ALL, ALL },
	{ RLIMIT_SIGPENDING, MANY, MANY, ALL },
	{ RLIMIT_MSGQUEUE, QUEUES, QUEUES, ALL },
	{ RLIMIT_NICE, 0, 0, 0 },
	{ RLIMIT_RTPRIO, 0, 0, 0 },
	{ RLIMIT_RTTIME, ALL, ALL, ALL },
};

static rlim_t least(rlim_t a, rlim_t b)
{
	return a < b ? a : b;
}

static void set_limit(int which, rlim_t soft, rlim_t hard)
{
	struct rlimit want = { soft, hard }, now;

	if (setrlimit((__rlimit_resource_t)which, &want) == 0 ||
	    getrlimit((__rlimit_resource_t)which, &now) < 0)
		return;
	want.rlim_max = least(hard, now.rlim_max);
	want.rlim_cur = least(soft, want.rlim_max);
	(void)setrlimit((__rlimit_resource_t)which, &want);
}

/* A number that the kernel tells; or `otherwise`. */
static rlim_t told(const char *path, rlim_t otherwise)
{
	FILE *f = fopen(path, "re");
	unsigned long n = 0;

	if (f && fscanf(f, "%lu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n ? n : otherwise;
}

static rlim_t value_of(rlim_t limit)
{
	if (limit == MANY)
		return told("/proc/sys/kernel/threads-max", ALL) / 2;
	if (limit == FILES)
		return least(told("/proc/sys/fs/nr_open", ALL), FILES_MAX);
	return limit;
}

/* What may fail is as it was. */
static void set_scheduling(void)
{
	static const struct sched_param plain;
	unsigned char cpus[CPUS_MAX / 8];

	memset(cpus, 0xff, sizeof(cpus));
	(void)sched_setscheduler(0, SCHED_OTHER, &plain);
	(void)setpriority(PRIO_PROCESS, 0, 0);
	syscall(SYS_ioprio_set, IO_OF_PROCESS, 0, IO_NONE);
	syscall(SYS_sched_setaffinity, 0, sizeof(cpus), cpus);
	prctl(PR_SET_TIMERSLACK, SLACK_NS);
}

static void set_else(void)
{
	syscall(SYS_set_mempolicy, 0, NULL, 0);
	(void)knob_write(AT_FDCWD, "/proc/self/coredump_filter", "0x33");
	(void)personality(PER_LINUX);
	umask(022);
}

void usual_newborn(void)
{
	set_scheduling();
	set_else();
	(void)knob_write(AT_FDCWD, "/proc/self/oom_score_adj", "0");
	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++)
		set_limit(limits[i].which, value_of(limits[i].soft),
			  value_of(limits[i].hard));
}

int usual_risk(pid_t pid, struct why *why)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	r = knob_write(AT_FDCWD, path, "0");
	return r < 0 ? why_sys(why, r, "%s", path) : 0;
}

void usual_monitor(void)
{
	set_scheduling();
	set_else();
	/* It takes little, and what ends without it stays half there. */
	(void)knob_write(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		rlim_t own = limits[i].maker;

		set_limit(limits[i].which, value_of(own ? own : limits[i].soft),
			  value_of(own ? own : limits[i].hard));
	}
}
