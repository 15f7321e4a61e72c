/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/monitormake.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/monitor.h"
#include "tools/progress.h"

/*
 * Three pipes: what is said, and the report, a line. The monitor's children
 * live as long as the container and have its 0, 1 and 2: they are none of ours.
 */
#define REPORT 1024
#define LOOK_MS 500

enum { REPORT_PIPE, OUT_PIPE, ERR_PIPE, PIPES };

struct hiring {
	char id[CONTAINER_ID_MAX + 1];
	bool daemons_in;
	int from[PIPES], to[PIPES];
	pid_t pid;
	bool told;
	char text[REPORT];
	size_t n;
};

/* The monitor's process; ends here. */
static void be_monitor(const struct cmd_common *common, const struct hiring *h)
{
	struct why why = { "" };
	struct monitor_plan plan = { .store = common->root,
				     .id = h->id,
				     .has_groups = true,
				     .daemons_in = h->daemons_in,
				     .viewer = -1,
				     .report = 3 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), r = -EIO;
	/* Out of the way first: one may be another's place. */
	int report = fcntl(h->to[REPORT_PIPE], F_DUPFD_CLOEXEC, 4);

	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(h->to[OUT_PIPE], 1) < 0 ||
	    dup2(h->to[ERR_PIPE], 2) < 0 || dup3(report, 3, O_CLOEXEC) < 0)
		_exit(1);
	/* What our starter has open, locks too, is not ours to keep. */
	close_range(4, ~0u, 0);
	plan.catalog = cmd_open(common, false);
	if (plan.catalog)
		r = monitor_run(&plan, &why);
	if (r < 0)
		dprintf(3, "error: %s\n",
			why.text[0] ? why.text : strerror(-r));
	_exit(r < 0);
}

/* False: no more comes from there. */
static bool take(struct hiring *h, int which)
{
	char data[4096];
	ssize_t n = read(h->from[which], data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0)
		return false;
	if (which != REPORT_PIPE)
		return write(which == OUT_PIPE ? 1 : 2, data, (size_t)n) == n;
	if ((size_t)n > sizeof(h->text) - 1 - h->n)
		n = (ssize_t)(sizeof(h->text) - 1 - h->n);
	memcpy(h->text + h->n, data, (size_t)n);
	h->n += (size_t)n;
	h->text[h->n] = '\0';
	return true;
}

static bool runs(const struct hiring *h)
{
	return strncmp(h->text, "ok\n", 3) == 0;
}

/* What runs in it before it is up may not end by itself. */
static void look_if_wanted(struct hiring *h)
{
	if (h->told || !progress_cancelled() || runs(h))
		return;
	h->told = true;
	kill(h->pid, SIGTERM);
}

/*
 * Until it is reported that it runs, or nobody is left who could: the groups
 * are gone then, too. And what was said before.
 */
static void listen_to(struct hiring *h)
{
	struct pollfd p[PIPES];
	bool over;
	int n;

	for (;;) {
		look_if_wanted(h);
		for (int i = 0; i < PIPES; i++)
			p[i] = (struct pollfd){ .fd = h->from[i],
						.events = POLLIN };
		over = runs(h) || h->from[REPORT_PIPE] < 0;
		n = poll(p, PIPES, over ? 0 : LOOK_MS);
		if (n == 0 && over)
			return;
		for (int i = PIPES - 1; i >= 0; i--) {
			if (!p[i].revents || take(h, i))
				continue;
			close(h->from[i]);
			h->from[i] = -1;
		}
		if (over && h->from[OUT_PIPE] < 0 && h->from[ERR_PIPE] < 0)
			return;
	}
}

static void close_all(int fd[PIPES])
{
	for (int i = 0; i < PIPES; i++) {
		cleanup_closep(&fd[i]);
		fd[i] = -1;
	}
}

static int make_pipes(struct hiring *h)
{
	int pipe[2];

	for (int i = 0; i < PIPES; i++)
		h->from[i] = h->to[i] = -1;
	for (int i = 0; i < PIPES; i++) {
		if (pipe2(pipe, O_CLOEXEC) < 0)
			return -errno;
		h->from[i] = pipe[0];
		h->to[i] = pipe[1];
	}
	return 0;
}

/* What it is told before it listens is kept for it. */
static pid_t hire(const struct cmd_common *common, const struct cgroup *group,
		  const struct hiring *h)
{
	sigset_t kept, before;
	pid_t pid;

	sigemptyset(&kept);
	sigaddset(&kept, SIGTERM);
	sigprocmask(SIG_BLOCK, &kept, &before);
	pid = cgroup_fork(group, CGROUP_DAEMON, 0);
	if (pid == 0)
		be_monitor(common, h);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

int monitormake(const struct container *one, const struct cmd_common *common,
		const struct cgroup *group, bool daemons_in, struct why *why)
{
	struct hiring h = { .daemons_in = daemons_in };
	int r = make_pipes(&h);

	memcpy(h.id, one->id, sizeof(h.id));
	if (r == 0)
		r = h.pid = hire(common, group, &h);
	close_all(h.to);
	if (r >= 0)
		listen_to(&h);
	close_all(h.from);
	if (r < 0)
		return why_sys(why, r, "a process");
	if (runs(&h))
		return 0;
	waitpid(h.pid, NULL, 0);
	h.text[strcspn(h.text, "\n")] = '\0';
	return why_set(why, -EIO, "%s",
		       strncmp(h.text, "error: ", 7) == 0
			       ? h.text + 7
			       : "its monitor has died");
}
