/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/attach.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "tools/ct/jail.h"
#include "tools/ct/newborn.h"
#include "tools/ct/standin.h"
#include "tools/ct/wire.h"

/*
 * Three new processes: one stands in for what is run (standin.h). Its first
 * child goes into the groups and into the namespaces; that of processes only
 * counts for its children, so it makes the second, which is a child of the
 * stand-in's as well.
 *
 * Neither of these can be looked at from inside: they have the host's program,
 * and that of the host's memory which the caller had (CVE-2019-5736,
 * CVE-2016-9962).
 */
#define ENV_MAX 32

/* ---- the second, inside ---------------------------------------------------- */

static int make_tty(struct why *why)
{
	_cleanup_close_ int master =
		open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct statfs fs;
	struct stat st;
	int unlock = 0;

	if (master < 0)
		return why_sys(why, -errno, "/dev/ptmx");
	/* The container may have put anything there. */
	if (fstat(master, &st) < 0 || fstatfs(master, &fs) < 0 ||
	    !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) ||
	    fs.f_type != DEVPTS_SUPER_MAGIC)
		return why_set(why, -ENOTTY, "/dev/ptmx is not what it was");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return why_sys(why, -errno, "/dev/ptmx");
	return TAKE_FD(master);
}

static int take_tty(int wire, struct why *why)
{
	const struct wire_message m = { .what = WIRE_TTY };
	_cleanup_close_ int master = make_tty(why), slave = -1;

	if (master < 0)
		return master;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		return why_sys(why, -errno, "a terminal");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return why_sys(why, -errno, "a terminal");
	return wire_say(wire, &m, master);
}

static int take_stdio(const struct attach_plan *p, struct why *why)
{
	/* Out of the way first: one may be another's place. */
	int fd[3];

	for (int i = 0; i < 3; i++) {
		fd[i] = fcntl(p->stdio[i], F_DUPFD_CLOEXEC, 3);
		if (fd[i] < 0)
			return why_sys(why, -errno, "standard input, output");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(fd[i], i) < 0)
			return why_sys(why, -errno, "standard input, output");
	return 0;
}

static void set_environment(const struct attach_plan *p, char *env[ENV_MAX],
			    char term[128])
{
	char *const *usual = jail_environment(p->spec);
	size_t n = 0;

	for (; *usual && n < ENV_MAX - 2; usual++)
		if (!p->term || strncmp(*usual, "TERM=", 5) != 0)
			env[n++] = *usual;
	if (p->term) {
		snprintf(term, 128, "TERM=%s", p->term);
		env[n++] = term;
	}
	env[n] = NULL;
	environ = env;
}

/* Returns only an error. */
static int become(const struct attach_plan *p, int wire, struct why *why)
{
	char *env[ENV_MAX], term[128];
	int r;

	setsid();
	r = newborn_root(p->spec, why);
	if (r == 0)
		r = p->tty ? take_tty(wire, why) : take_stdio(p, why);
	if (r == 0 && chdir(p->cwd) < 0 && chdir("/") < 0)
		r = why_sys(why, -errno, "/");
	if (r == 0)
		r = jail_filter(p->spec, why);
	if (r == 0)
		r = newborn_listen(p->sender, p->answered, why);
	if (r == 0)
		r = jail_caps(p->spec, why);
	if (r == 0)
		r = newborn_strip(why);
	if (r < 0)
		return r;
	set_environment(p, env, term);
	execvp(p->argv[0], p->argv);
	return why_sys(why, -errno, "%s", p->argv[0]);
}

/* ---- the first ----------------------------------------------------------- */

/* By what the kernel says of a pidfd: -1 when it has ended. */
static int pid_of(int pidfd)
{
	_cleanup_close_ int fd = -1;
	char path[64], text[1024];
	const char *at;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\nPid:\t");
	return at ? atoi(at + 6) : -1;
}

/* 1: both have this namespace, and not the same; 0; or -errno. */
static int differs(pid_t pid, const char *name)
{
	struct stat its, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	if (stat(path, &ours) < 0)
		return errno == ENOENT ? 0 : -errno;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	if (stat(path, &its) < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return its.st_ino != ours.st_ino || its.st_dev != ours.st_dev;
}

/*
 * All that its first process has and we have not, whatever the spec says: what
 * is left out is the host's. Of a process that has taken its number meanwhile
 * nothing comes in, since setns() fails when that one has ended.
 */
static int enter_namespaces(const struct attach_plan *p, struct why *why)
{
	static const struct {
		const char *name;
		int flag;
	} kinds[] = {
		{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS },
		{ "pid", CLONE_NEWPID },   { "net", CLONE_NEWNET },
		{ "ipc", CLONE_NEWIPC },   { "uts", CLONE_NEWUTS },
		{ "time", CLONE_NEWTIME }, { "cgroup", CLONE_NEWCGROUP },
	};
	pid_t pid = pid_of(p->pidfd);
	int all = 0, r = pid > 0 ? 0 : -ESRCH;

	for (unsigned i = 0; r >= 0 && i < ARRAY_SIZE(kinds); i++) {
		r = differs(pid, kinds[i].name);
		if (r > 0)
			all |= kinds[i].flag;
	}
	if (r >= 0 && setns(p->pidfd, all) < 0)
		r = -errno;
	return r < 0 ? why_sys(why, r, "the container's namespaces") : 0;
}

/* Its number goes there as well. */
static int make_second(const struct attach_plan *p, int wire, uintptr_t number,
		       struct why *why)
{
	struct clone_args args = { .flags = CLONE_PARENT | CLONE_PARENT_SETTID,
				   .parent_tid = number };
	struct wire_message m = { .what = WIRE_PID };
	int r = enter_namespaces(p, why);

	if (r < 0)
		return r;
	m.number = (int)syscall(SYS_clone3, &args, sizeof(args));
	if (m.number < 0)
		return why_sys(why, -errno, "a process in the container");
	if (m.number > 0)
		return wire_say(wire, &m, -1);
	m = (struct wire_message){ .what = WIRE_FAILED };
	m.number = become(p, wire, &m.why);
	wire_say(wire, &m, -1);
	_exit(127);
}

static void run_first(const struct attach_plan *p, int wire, uintptr_t number)
{
	struct wire_message m;

	newborn_hide();
	m = (struct wire_message){ .what = WIRE_FAILED };
	m.number = cgroup_enter(p->group, CGROUP_PAYLOAD, &m.why);
	if (m.number == 0)
		m.number = make_second(p, wire, number, &m.why);
	if (m.number < 0)
		wire_say(wire, &m, -1);
	_exit(m.number < 0);
}

/* ---- the one above them ------------------------------------------------------ */

static void stand_in(const struct attach_plan *p, int wire)
{
	struct wire_message m = { .what = WIRE_FAILED };
	pid_t *second = standin_begin();
	pid_t first = second ? cgroup_fork(p->group, CGROUP_PAYLOAD, 0)
			     : -errno;

	if (first == 0)
		run_first(p, wire, (uintptr_t)second);
	if (first > 0)
		standin_run(second);
	m.number = why_sys(&m.why, first, "a process");
	wire_say(wire, &m, -1);
	_exit(1);
}

/* ---- their maker ----------------------------------------------------------- */

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int attach_run(const struct attach_plan *p, struct attach *out, struct why *why)
{
	_cleanup_close_ int near = -1, far = -1;
	struct wire_heard heard = { .pid = -1, .tty = -1 };
	int r = wire_pair(&near, &far);
	pid_t pid;

	if (r < 0)
		return why_sys(why, r, "a socket");
	pid = fork();
	if (pid < 0)
		return why_sys(why, -errno, "a process");
	if (pid == 0) {
		close(near);
		stand_in(p, far);
	}
	close(far);
	far = -1;
	r = wire_follow(near, &heard, why);
	if (r == 0 && heard.pid <= 0)
		r = why_set(why, -ECHILD, "it was killed");
	if (r < 0) {
		reap(pid);
		cleanup_closep(&heard.tty);
		return why_sys(why, r, "container %s", p->spec->id);
	}
	*out = (struct attach){ .pid = pid, .tty = heard.tty };
	return 0;
}
