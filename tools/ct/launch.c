/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/knob.h"
#include "tools/ct/launch.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "tools/ct/jail.h"
#include "tools/ct/newborn.h"
#include "tools/ct/usual.h"
#include "tools/ct/wire.h"

#define COVERS_MAX 64
#define COVER_PATH 128

static int name_host(const struct spec *s, struct why *why)
{
	const char *name = s->hostname[0] ? s->hostname : s->id;

	return sethostname(name, strlen(name)) < 0
		       ? why_sys(why, -errno, "hostname %s", name)
		       : 0;
}

/* Its console, and what comes from it and goes there. */
static int take_console(const struct launch_plan *p, int wire, struct why *why)
{
	const struct wire_message m = { .what = WIRE_TTY };
	const struct winsize size = { .ws_row = (unsigned short)p->rows,
				      .ws_col = (unsigned short)p->columns };
	_cleanup_close_ int master = -1, slave = -1;

	if (p->stdio)
		return 0;
	master = jail_console(p->spec, why);
	if (master < 0)
		return master;
	if (p->rows)
		(void)ioctl(master, TIOCSWINSZ, &size);
	wire_say(wire, &m, master);
	/* Which is a controlling terminal is a system's init's to choose. */
	slave = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || (p->terminal && ioctl(slave, TIOCSCTTY, 0) < 0) ||
	    dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
		return why_sys(why, -errno, "/dev/console");
	return 0;
}

/* What is to be put over files, until it can be. */
struct covers {
	struct {
		char path[COVER_PATH];
		int mount;
	} one[COVERS_MAX];
	unsigned n;
};

static void take_cover(struct covers *c, const char *path, int mount)
{
	if (c->n == COVERS_MAX || mount < 0)
		return;
	snprintf(c->one[c->n].path, COVER_PATH, "%.*s", COVER_PATH - 1, path);
	c->one[c->n++].mount = mount;
}

/* Nothing of the container's runs yet: paths lead where they say. */
static int put_cover(const char *path, int mount)
{
	int at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), r = 0;

	if (at < 0)
		return errno == ENOENT ? 0 : -errno;
	if (syscall(SYS_move_mount, mount, "", at, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		r = -errno;
	close(at);
	return r;
}

static int put_covers(const struct covers *c, struct why *why)
{
	for (unsigned i = 0; i < c->n; i++) {
		int r = put_cover(c->one[i].path, c->one[i].mount);

		if (r < 0)
			return why_sys(why, r, "%s", c->one[i].path);
	}
	return 0;
}

/* Made by its maker. */
struct mounts {
	int root, dev, sys;
};

static void mounts_close(struct mounts *m)
{
	cleanup_closep(&m->root);
	cleanup_closep(&m->dev);
	cleanup_closep(&m->sys);
}

/* What it can do while its maker is at its network and its files. */
static int settle(const struct launch_plan *p, const struct mounts *m,
		  struct why *why)
{
	int r = newborn_root(p->spec, why);

	setsid();
	if (r == 0 && unshare(CLONE_NEWCGROUP) < 0)
		r = why_sys(why, -errno, "a cgroup namespace");
	if (r == 0)
		r = name_host(p->spec, why);
	if (r == 0)
		r = jail_enter(p->spec, m->root, m->dev, m->sys, why);
	if (r == 0)
		r = jail_filter(p->spec, why);
	return r;
}

/* Returns only an error. */
static int become_init(const struct launch_plan *p, int wire,
		       const struct covers *covers, struct why *why)
{
	char *const *argv = NULL;
	int r = put_covers(covers, why);

	if (r == 0)
		r = take_console(p, wire, why);
	if (r == 0)
		r = jail_find_init(p->spec, &argv, why);
	if (r == 0)
		r = newborn_listen(p->sender, p->answered, why);
	if (r == 0)
		r = jail_caps(p->spec, why);
	if (r == 0)
		r = newborn_strip(why);
	if (r < 0 || !argv)
		return r;
	environ = (char **)(uintptr_t)jail_environment(p->spec);
	execvp(argv[0], argv);
	return why_sys(why, -errno, "%s", argv[0]);
}

static void fail(int wire, int err, struct wire_message *m)
{
	m->what = WIRE_FAILED;
	m->number = err;
	wire_say(wire, m, -1);
	_exit(1);
}

/* Until it is told to go on: covers. */
static void listen_until(int wire, enum wire_what what, struct covers *covers)
{
	struct wire_message m;
	int fd;

	do {
		if (wire_hear(wire, &m, &fd) <= 0)
			_exit(1);
		if (m.what == WIRE_COVER)
			take_cover(covers, m.why.text, fd);
	} while (m.what != what);
}

static void run_child(const struct launch_plan *p, const struct mounts *mounts,
		      int wire)
{
	struct covers covers = { .n = 0 };
	struct wire_message m = { .why = { "" } };
	int r;

	newborn_hide();
	r = cgroup_enter(p->group, CGROUP_PAYLOAD, &m.why);
	if (r < 0)
		fail(wire, r, &m);
	listen_until(wire, WIRE_MAPPED, &covers);
	r = settle(p, mounts, &m.why);
	if (r < 0)
		fail(wire, r, &m);
	listen_until(wire, WIRE_GO, &covers);
	fail(wire, become_init(p, wire, &covers, &m.why), &m);
}

/* ---- its maker ------------------------------------------------------------- */

/*
 * Children are born into a time in which the container has just begun, until
 * end_time(). What a time namespace begins with cannot be changed after the
 * first process in it: each start has its own.
 */
static int begin_time(struct why *why)
{
	char text[128];
	struct timespec boot, mono;
	int r;

	if (unshare(CLONE_NEWTIME) < 0)
		/* CONFIG_TIME_NS=n: uptime is the host's */
		return errno == EINVAL
			       ? 0
			       : why_sys(why, -errno, "a time namespace");
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	snprintf(text, sizeof(text), "monotonic -%lld 0\nboottime -%lld 0\n",
		 (long long)mono.tv_sec, (long long)boot.tv_sec);
	r = knob_write(AT_FDCWD, "/proc/self/timens_offsets", text);
	return r < 0 ? why_sys(why, r, "timens_offsets") : 0;
}

static int enter_time(const char *who)
{
	_cleanup_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/ns/time", who);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return setns(fd, CLONE_NEWTIME) < 0 ? -errno : 0;
}

static void end_time(void)
{
	(void)enter_time("self");
}

int launch_enter_time(pid_t pid)
{
	char who[16];

	snprintf(who, sizeof(who), "%d", pid);
	return enter_time(who);
}

static int map_ids(const struct spec *s, pid_t pid, struct why *why)
{
	static const char *const files[] = { "uid_map", "gid_map" };
	char path[64], text[64];
	int r = 0;

	snprintf(text, sizeof(text), "0 %u %u\n", s->base, s->count);
	for (unsigned i = 0; i < ARRAY_SIZE(files) && r == 0; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		r = knob_write(AT_FDCWD, path, text);
	}
	return r < 0 ? why_sys(why, r, "%s: ids from %u on", path, s->base) : 0;
}

static uint64_t namespaces(const struct spec *s)
{
	uint64_t flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
			 CLONE_NEWUTS | CLONE_PIDFD;

	if (s->count)
		flags |= CLONE_NEWUSER;
	if (s->net.mode != SPEC_NET_HOST)
		flags |= CLONE_NEWNET;
	return flags;
}

static int make_init(const struct launch_plan *p, const struct mounts *mounts,
		     int wire, struct launch *new, struct why *why)
{
	struct clone_args args = { .flags = namespaces(p->spec),
				   .pidfd = (uintptr_t) & new->pidfd,
				   .exit_signal = SIGCHLD };
	int r = begin_time(why);

	/* To be moved later costs milliseconds, where all forks have to stop. */
	if (cgroup_unified(p->group) >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_unified(p->group);
	}
	if (r == 0) {
		new->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
		if (new->pid == 0) {
			close(new->wire);
			run_child(p, mounts, wire);
		}
		if (new->pid < 0)
			r = why_sys(why, -errno, "a process in new namespaces");
	}
	end_time();
	return r;
}

static int make_mounts(const struct launch_plan *p, struct mounts *m,
		       struct why *why)
{
	m->root = jail_root(p->root, why);
	if (m->root < 0)
		return m->root;
	m->dev = jail_dev(p->spec, why);
	if (m->dev < 0)
		return m->dev;
	m->sys = jail_sys(p->spec, why);
	return m->sys < 0 && m->sys != -ENODATA ? m->sys : 0;
}

int launch_begin(const struct launch_plan *p, struct launch *l, struct why *why)
{
	_cleanup_(mounts_close) struct mounts mounts = { -1, -1, -1 };
	_cleanup_close_ int near = -1, far = -1;
	const struct wire_message mapped = { .what = WIRE_MAPPED };
	struct launch new = LAUNCH_NONE;
	int r;

	*l = new;
	r = make_mounts(p, &mounts, why);
	if (r < 0)
		return r;
	r = wire_pair(&near, &far);
	if (r < 0)
		return why_sys(why, r, "a socket");
	new.wire = TAKE_FD(near);
	r = make_init(p, &mounts, far, &new, why);
	*l = new;
	/* By the host's root, so that nobody inside can have less than that. */
	if (r == 0)
		r = usual_risk(new.pid, why);
	if (r == 0 && p->spec->count)
		r = map_ids(p->spec, new.pid, why);
	/* What has become of it is heard by launch_go(). */
	if (r == 0)
		(void)wire_say(new.wire, &mapped, -1);
	else
		launch_end(l);
	return r;
}

int launch_cover(struct launch *l, const char *path, int mount)
{
	struct wire_message m = { .what = WIRE_COVER };
	int r;

	snprintf(m.why.text, sizeof(m.why.text), "%s", path);
	r = wire_say(l->wire, &m, mount);
	/* It has ended: launch_go() hears why. */
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

void launch_explain(const struct launch *l, struct why *why)
{
	struct pollfd p = { .fd = l->wire, .events = POLLIN };
	struct wire_message m;
	int fd;

	while (poll(&p, 1, 0) > 0 && wire_hear(l->wire, &m, &fd) > 0) {
		cleanup_closep(&fd);
		if (m.what == WIRE_FAILED)
			*why = m.why;
	}
}

int launch_go(const struct launch_plan *p, struct launch *l, struct why *why)
{
	const struct wire_message m = { .what = WIRE_GO };
	struct wire_heard heard = { .pid = -1, .tty = -1 };
	int r;

	/* What it said at its end is still to be heard. */
	(void)wire_say(l->wire, &m, -1);
	r = wire_follow(l->wire, &heard, why);
	l->console = heard.tty;
	/* Killed before it said anything: it did not become anything. */
	if (r == 0 && !p->stdio && l->console < 0)
		r = why_set(why, -ECHILD, "the first process of %s was killed",
			    p->spec->id);
	if (r < 0) {
		why_sys(why, r, "starting %s", p->spec->id);
		launch_end(l);
	}
	cleanup_closep(&l->wire);
	l->wire = -1;
	return r;
}

void launch_end(struct launch *l)
{
	if (l->pid > 0) {
		kill(l->pid, SIGKILL);
		while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	cleanup_closep(&l->pidfd);
	cleanup_closep(&l->console);
	cleanup_closep(&l->wire);
	*l = LAUNCH_NONE;
}

int launch_netns(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
