/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/ctgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ct/knob.h"

static char name[64];
static int ready_fd = -1;

void ctgroup_begin(void)
{
	snprintf(name, sizeof(name), "unit-%d", getpid());
}

void ctgroup_finish(void)
{
	struct cgroup *g;
	struct why why = { "" };

	if (geteuid() || cgroup_open(&g, name, false, 0, NULL))
		return;
	(void)cgroup_kill(g, CGROUP_PAYLOAD, 10000, &why);
	(void)cgroup_kill(g, CGROUP_DAEMON, 10000, &why);
	if (cgroup_remove(g, &why))
		fprintf(stderr, "%s\n", why.text);
	cgroup_free(g);
}

const char *ctgroup_name(void)
{
	return name;
}

/* Making one is what tells; it is gone at once. */
bool ctgroup_possible(const char *test)
{
	struct why why = { "" };
	struct cgroup *g;
	int r;

#ifdef __SANITIZE_THREAD__
	unit_skip_test(test, "the thread sanitizer has memory and threads of "
			     "its own, which count");
	return false;
#endif
	if (geteuid()) {
		unit_skip_test(test, "only root makes cgroups");
		return false;
	}
	r = cgroup_open(&g, name, true, 0, &why);
	if (r == -ENODEV || r == -EROFS || r == -EACCES || r == -EPERM) {
		unit_skip_test(test, why.text);
		return false;
	}
	ck_assert_msg(r == 0, "%d %s", r, why.text);
	ctgroup_remove(g);
	return true;
}

struct cgroup *ctgroup_make(uint32_t owner)
{
	struct cgroup *g = NULL;
	struct why why = { "" };
	int r = cgroup_open(&g, name, true, owner, &why);

	ck_assert_msg(r == 0, "%d %s", r, why.text);
	return g;
}

void ctgroup_remove(struct cgroup *g)
{
	struct why why = { "" };
	int r = cgroup_remove(g, &why);

	ck_assert_msg(r == 0, "%d %s", r, why.text);
	cgroup_free(g);
}

void ctgroup_ready(void)
{
	if (write(ready_fd, "", 1) != 1)
		_exit(99);
}

pid_t ctgroup_start(struct cgroup *g, void (*body)(void *arg), void *arg)
{
	int fds[2];
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		ready_fd = fds[1];
		if (g && cgroup_enter(g, CGROUP_PAYLOAD, NULL) < 0)
			_exit(98);
		body(arg);
		_exit(0);
	}
	close(fds[1]);
	ck_assert_msg(read(fds[0], &c, 1) == 1, "it ended too soon");
	close(fds[0]);
	return pid;
}

int ctgroup_wait(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void ctgroup_end(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(ctgroup_wait(pid), -1);
}

void ctgroup_sleep(void *arg _unused_)
{
	ctgroup_ready();
	pause();
}

void ctgroup_places_of(pid_t pid, char text[4096])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	ck_assert_int_gt(knob_read(AT_FDCWD, path, text, 4096), 0);
}

unsigned ctgroup_places(pid_t pid, const char *part)
{
	char text[4096], *rest = NULL, want[160], flat[128];
	unsigned n = 0;

	ctgroup_places_of(pid, text);
	snprintf(flat, sizeof(flat), "/vefs/%s", ctgroup_name());
	snprintf(want, sizeof(want), "%s/%s", flat, part);
	for (char *l = strtok_r(text, "\n", &rest); l;
	     l = strtok_r(NULL, "\n", &rest))
		n += strstr(l, want) ||
		     (strstr(l, flat) && !strcmp(strstr(l, flat), flat));
	return n;
}
