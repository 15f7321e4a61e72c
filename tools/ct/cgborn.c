/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/cgborn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "tools/ct/cgtask.h"
#include "tools/ct/knob.h"

/* The part's directory in the unified hierarchy: a descriptor, or -errno. */
static int birth_place(const struct cgroup *g, int part)
{
	int i = hier_unified(&g->hiers), fd;

	if (i < 0 || g->dir[i] < 0)
		return -ENOENT;
	if (part < 0)
		fd = openat(g->hiers.h[i].top, ".",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		fd = openat(g->dir[i], cgrouppriv_part((enum cgroup_part)part),
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

pid_t cgborn_fork(const struct cgroup *g, int part, uint64_t flags)
{
	_cleanup_close_ int place = birth_place(g, part);
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	int *tid = NULL;
	pid_t pid;

	/* its maker's signal is then also its own */
	if (flags & CLONE_PARENT)
		args.exit_signal = 0;
	/* The C library's idea of its thread id, which the child inherits. */
	if (prctl(PR_GET_TID_ADDRESS, &tid) == 0 && tid) {
		args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		args.child_tid = (uintptr_t)tid;
	}
	if (place >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)place;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	/* Divided by the container, or an old kernel: it can be moved later. */
	if (pid < 0 && place >= 0 && errno != EAGAIN && errno != ENOMEM) {
		args.flags &= ~CLONE_INTO_CGROUP;
		args.cgroup = 0;
		pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	}
	return pid < 0 ? -errno : pid;
}

int cgborn_leave(const struct cgroup *g, struct why *why)
{
	int r = 0;

	for (unsigned i = 0; i < g->hiers.n && r == 0; i++) {
		const struct hier *h = &g->hiers.h[i];

		if (g->dir[i] < 0)
			continue;
		if (h->version == 1)
			r = knob_write(h->top, "tasks", "0");
		else if (cgtask_is_inside(g, i))
			r = knob_write(h->top, "cgroup.procs", "0");
		if (r < 0)
			why_sys(why, r, "leaving %s in %s", g->name, h->path);
	}
	return r;
}
