/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/monitorend.h"

#include <linux/sched.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/control.h"

#define END_MS 10000u

/* What both have of it, whatever the other does: the state is shared. */
struct last {
	char id[CONTAINER_ID_MAX + 1];
	struct cgroup *group;
	int waiting[MONITORPRIV_WAITING];
	const char *answer;
	bool down;
};

static void remove_groups(const struct last *l)
{
	struct why why = { "" };

	/* What does not end in time is moved out. */
	if (l->down)
		cgroup_wait(l->group, CGROUP_DAEMON, END_MS);
	if (cgroup_remove(l->group, &why) < 0)
		log_warn("container %s: %s", l->id, why.text);
}

static void leave(const struct last *l)
{
	struct why why = { "" };

	if (cgroup_leave(l->group, &why) < 0)
		log_warn("container %s: %s", l->id, why.text);
}

/* The process that is in none of the groups; `monitor` is a pidfd. */
static void be_last(const struct last *l, int monitor)
{
	struct pollfd p = { .fd = monitor, .events = POLLIN };

	prctl(PR_SET_NAME, "vefs-end");
	leave(l);
	poll(&p, 1, (int)END_MS);
	remove_groups(l);
	for (unsigned i = 0; i < MONITORPRIV_WAITING; i++)
		if (l->waiting[i] >= 0)
			control_answer(l->waiting[i], l->answer);
	_exit(0);
}

/* False: nobody could be made. */
static bool hand_over(const struct last *l)
{
	_cleanup_close_ int self = -1;
	pid_t pid;

	/* v1 alone: one leaves at once */
	if (cgroup_unified(l->group) < 0)
		return false;
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	pid = self < 0 ? -1 : cgroup_fork(l->group, -1, CLONE_PARENT);
	if (pid == 0)
		be_last(l, self);
	return pid > 0;
}

static void close_waiting(struct monitor *m)
{
	for (unsigned i = 0; i < MONITORPRIV_WAITING; i++) {
		cleanup_closep(&m->waiting[i]);
		m->waiting[i] = -1;
	}
}

void monitorend(struct monitor *m, bool down, const char *answer)
{
	struct last l = { .group = m->group, .answer = answer, .down = down };

	inside_free(m->inside);
	m->inside = NULL;
	memcpy(l.id, m->one.id, sizeof(l.id));
	memcpy(l.waiting, m->waiting, sizeof(l.waiting));
	/* Who waits for a bare one knows of nobody else. */
	if (l.group && !m->plan->bare && hand_over(&l)) {
		close_waiting(m);
	} else {
		if (l.group) {
			leave(&l);
			remove_groups(&l);
		}
		monitorpriv_answer_all(m, answer);
	}
	cgroup_free(m->group);
	m->group = NULL;
}
