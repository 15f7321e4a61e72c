/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctjob.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ctinside.h"

/* How a system is told to end by its first process. */
struct ending {
	int sig;
	const char *const *argv; /* if not by a signal */
};

static void tell(const struct ctjob *j, const struct why *why)
{
	log_warn("container %s: %s", j->where.spec->id, why->text);
}

static int signal_init(const struct ctjob *j, int sig)
{
	return syscall(SYS_pidfd_send_signal, j->where.pidfd, sig, NULL, 0) < 0
		       ? -errno
		       : 0;
}

bool ctjob_catches(pid_t pid, int sig)
{
	char path[64], line[256];
	unsigned long long mask = 0, more;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigCgt: %llx", &more) == 1 ||
		    sscanf(line, "SigBlk: %llx", &more) == 1)
			mask |= more;
	if (f)
		fclose(f);
	return mask & 1ull << (sig - 1);
}

static void read_name(pid_t pid, char *name, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, (int)size, f))
		name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
}

const char *ctjob_program(pid_t pid, char exe[PATH_MAX])
{
	static const char gone[] = " (deleted)";
	char path[64];
	char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, PATH_MAX - 1);
	exe[n > 0 ? n : 0] = '\0';
	name = strrchr(exe, '/') ? strrchr(exe, '/') + 1 : exe;
	n = (ssize_t)strlen(name) - (ssize_t)strlen(gone);
	if (n > 0 && strcmp(name + n, gone) == 0)
		name[n] = '\0';
	return name;
}

static struct ending ending_of(pid_t init)
{
	static const char *const telinit[] = { "/sbin/init", "0", NULL };
	static const char *const openrc[] = { "/sbin/openrc-shutdown", "-p",
					      "now", NULL };
	/*
	 * By the name of the program, and what it was called. Whether it waits
	 * for that signal cannot be seen of one that sleeps in sigtimedwait().
	 */
	static const struct {
		const char *program, *called;
		int above_min, sig;
		const char *const *argv;
	} known[] = {
		{ "systemd", NULL, 4, 0, NULL }, /* poweroff.target */
		{ "busybox", "init", 0, SIGUSR2, NULL },
		{ "init", NULL, 0, 0, telinit }, /* sysvinit */
		{ "openrc-init", NULL, 0, 0, openrc },
	};
	char exe[PATH_MAX], called[32] = "";
	const char *name = ctjob_program(init, exe);

	read_name(init, called, sizeof(called));
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(name, known[i].program) != 0 ||
		    (known[i].called && strcmp(called, known[i].called) != 0))
			continue;
		return (struct ending){ known[i].above_min
						? SIGRTMIN + known[i].above_min
						: known[i].sig,
					known[i].argv };
	}
	/* A command: it is asked, if it listens. */
	return (struct ending){ ctjob_catches(init, SIGTERM) ? SIGTERM
							     : SIGKILL,
				NULL };
}

/* It need not end before the container does. */
static int run_ending(const struct ctjob *j, const char *const argv[],
		      struct why *why)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct attach_plan plan = j->where;
	struct attach a;

	plan.argv = (char *const *)(uintptr_t)argv;
	plan.cwd = "/";
	for (int fd = 0; fd < 3; fd++)
		plan.stdio[fd] = null;
	return null < 0 ? why_sys(why, -errno, "/dev/null")
			: attach_run(&plan, &a, why);
}

static int end_it(const struct ctjob *j)
{
	struct why why = { "" };
	struct ending how;

	if (ctinside_script(j->store, &j->where, "stop", &why) < 0)
		tell(j, &why);
	why.text[0] = '\0';
	how = ending_of(j->init);
	if (how.argv && run_ending(j, how.argv, &why) < 0) {
		tell(j, &why);
		how.sig = SIGKILL;
	}
	return how.sig ? signal_init(j, how.sig) : 0;
}

static int start_it(const struct ctjob *j)
{
	struct why why = { "" };
	int r = ctinside_script(j->store, &j->where, "start", &why);

	if (r < 0)
		tell(j, &why);
	return r;
}

static int begin(const struct ctjob *j, int (*fn)(const struct ctjob *))
{
	struct clone_args args = { .flags = CLONE_PARENT | CLONE_PARENT_SETTID,
				   .parent_tid = (uintptr_t)j->pid };
	pid_t parent = getppid();
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid)
		return pid < 0 ? -errno : 0;
	prctl(PR_SET_NAME, "vefs-job");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(getppid() != parent || fn(j) < 0);
}

int ctjob_start(const struct ctjob *j)
{
	return ctinside_is_there(j->store, &j->where, "start")
		       ? begin(j, start_it)
		       : 0;
}

int ctjob_end(const struct ctjob *j)
{
	return begin(j, end_it);
}
