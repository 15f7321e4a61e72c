/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/upgrade.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"
#include "fs/state.h"

#define CHECK_MS 5000

int upgrade_resumes(void)
{
	const char *text = secure_getenv(UPGRADE_ENV);
	uint32_t fd;

	if (!text || parse_u32(text, 1u << 20, &fd) != 0)
		return -1;
	return (int)fd;
}

static void set_inherit(bool on)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	uint32_t fd;

	if (!on) {
		close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
		return;
	}
	dir = opendir("/proc/self/fd");
	while (dir && (de = readdir(dir)) != NULL) {
		if (parse_u32(de->d_name, UINT32_MAX, &fd) == 0 && fd > 2 &&
		    (int)fd != dirfd(dir))
			fcntl((int)fd, F_SETFD, 0);
	}
}

static int start_check(const char *program, int out, pid_t *pid)
{
	char *const argv[] = { (char *)(uintptr_t)program,
			       (char *)(uintptr_t) "--layout", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn(pid, program, &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Its first line of output. */
static int ask_layout(const char *program, char *line, size_t len)
{
	_cleanup_close_ int in = -1, out = -1;
	struct pollfd p;
	int fds[2], status, r;
	ssize_t n = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
	r = start_check(program, out, &pid);
	if (r < 0)
		return r;
	p = (struct pollfd){ .fd = in, .events = POLLIN };
	if (poll(&p, 1, CHECK_MS) == 1)
		n = read(in, line, len - 1);
	else
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return n > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? 0
		       : -ENOEXEC;
}

int upgrade_check(const char *program, char *why, size_t len)
{
	char line[64] = "";
	uint32_t layout = 0;
	int r = ask_layout(program, line, sizeof(line));

	if (r == 0 && parse_u32(line, UINT32_MAX, &layout) != 0)
		r = -ENOEXEC;
	if (r == -ENOEXEC)
		snprintf(why, len, "%s is not this program", program);
	else if (r < 0)
		snprintf(why, len, "%s: %s", program, strerror(-r));
	if (r < 0)
		return r;
	if (layout == state_layout())
		return 0;
	snprintf(why, len,
		 "%s has another layout of its tables (%u, this one %u): it "
		 "cannot take a live mount over; unmount and mount again",
		 program, layout, state_layout());
	return -EPROTO;
}

int upgrade_exec(const char *program, char *const argv[], int state_fd)
{
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d", state_fd);
	setenv(UPGRADE_ENV, text, 1);
	set_inherit(true);
	execv(program, argv);
	r = -errno;
	set_inherit(false);
	unsetenv(UPGRADE_ENV);
	return r;
}
