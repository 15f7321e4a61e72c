/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/upgrade.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

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

static int start_check(const char *program, const char *layout, pid_t *pid)
{
	char *const argv[] = { (char *)(uintptr_t)program,
			       (char *)(uintptr_t) "--layout-is",
			       (char *)(uintptr_t)layout, NULL };
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn(pid, program, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return -r;
}

/*
 * Its exit status, -ENOEXEC when it has none. Asked without a pipe: a new
 * descriptor of ours would be one among a worker's.
 */
static int ask(const char *program)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char layout[16];
	int status = 0;
	pid_t pid, done = 0;
	int r;

	snprintf(layout, sizeof(layout), "%u", state_layout());
	r = start_check(program, layout, &pid);
	if (r < 0)
		return r;
	for (int ms = 0; done == 0 && ms < CHECK_MS; ms++) {
		nanosleep(&pause, NULL);
		done = waitpid(pid, &status, WNOHANG);
	}
	if (done == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return -ENOEXEC;
	}
	return done == pid && WIFEXITED(status) ? WEXITSTATUS(status)
						: -ENOEXEC;
}

int upgrade_check(const char *program, char *why, size_t len)
{
	int r = ask(program);

	if (r == UPGRADE_FITS)
		return 0;
	if (r == UPGRADE_FITS_NOT) {
		snprintf(why, len,
			 "%s has another layout of its tables: it cannot take "
			 "a live mount over; unmount and mount again",
			 program);
		return -EPROTO;
	}
	if (r >= 0 || r == -ENOEXEC) {
		snprintf(why, len, "%s is not this program", program);
		return -ENOEXEC;
	}
	snprintf(why, len, "%s: %s", program, strerror(-r));
	return r;
}

int upgrade_answer(const char *layout)
{
	uint32_t n;

	return parse_u32(layout, UINT32_MAX, &n) == 0 && n == state_layout()
		       ? UPGRADE_FITS
		       : UPGRADE_FITS_NOT;
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
