/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/bootwait.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "tools/ct/attach.h"
#include "tools/ct/standin.h"
#include "tools/ctjob.h"

#define PAUSE_MS 100
#define ANSWER_MS 1000 /* at least */

/* What each can be asked; 0 as exit status: it has booted. */
static const struct {
	const char *program, *script;
} known[] = {
	{ "systemd", "s=$(systemctl is-system-running 2>/dev/null)\n"
		     "case $s in running|degraded|maintenance) exit 0;; esac\n"
		     "exit 1" },
	{ "init", "case $(runlevel 2>/dev/null) in *[2-5]) exit 0;; esac\n"
		  "exit 1" },
};

static const char *question(pid_t init)
{
	char exe[PATH_MAX];
	const char *name = ctjob_program(init, exe);

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(name, known[i].program) == 0)
			return known[i].script;
	return NULL;
}

/* It may not end by itself: what answers is the container's. */
static int wait_for(pid_t pid, uint64_t until)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = clock_now();
	int status, ms = now < until ? (int)((until - now) / CLOCK_MS) : 0;

	if (ms < ANSWER_MS)
		ms = ANSWER_MS;
	if (fd >= 0 && poll(&p, 1, ms) == 0)
		kill(pid, STANDIN_KILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* The exit status of a script inside, or -errno. */
static int ask(struct ctwork *w, const char *script, int null, uint64_t until)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct attach_plan plan = { .spec = &w->spec,
					  .pidfd = w->pidfd,
					  .group = w->group,
					  .argv = (char *const *)argv,
					  .cwd = "/",
					  .stdio = { null, null, null },
					  .sender = -1 };
	struct attach a;
	int r = attach_run(&plan, &a, &w->why);

	return r < 0 ? r : wait_for(a.pid, until);
}

int bootwait(struct ctwork *w, unsigned seconds)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000 * 1000 };
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct pollfd p = { .fd = w->pidfd, .events = POLLIN };
	uint64_t until = clock_now() + seconds * 1000 * CLOCK_MS;
	const char *script = question(w->state.init);

	if (null < 0)
		return -errno;
	while (script && ask(w, script, null, until) != 0) {
		w->why.text[0] = '\0';
		if (poll(&p, 1, 0) > 0)
			return why_set(&w->why, -ESRCH,
				       "container %s has ended: 'vefs logs "
				       "%s'",
				       w->one.id, w->one.id);
		if (clock_now() >= until)
			return why_set(&w->why, -ETIMEDOUT,
				       "container %s has not booted after %u "
				       "seconds: 'vefs logs %s'",
				       w->one.id, seconds, w->one.id);
		nanosleep(&pause, NULL);
	}
	return 0;
}
