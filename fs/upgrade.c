/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/upgrade.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/forkshare.h"
#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "fs/state.h"

#define CHECK_MS 5000
#define TRIES 600 /* a minute */

/* The program that runs, also where its name is gone or another's. */
#define SELF "/proc/self/exe"

int upgrade_resumes(void)
{
	const char *text = secure_getenv(UPGRADE_ENV);
	uint32_t fd;

	if (!text || parse_u32(text, 1u << 20, &fd) != 0)
		return -1;
	return (int)fd;
}

/*
 * Nobody may open or close anything meanwhile: what it does not see is closed
 * by execve. Takes no lock and no memory.
 */
static int inherit_all(void)
{
	_Alignas(struct dirent64) char buf[8192];
	_cleanup_close_ int dir =
		open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent64 *de;
	uint32_t fd;
	ssize_t n;

	if (dir < 0)
		return -errno;
	while ((n = getdents64(dir, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n; at += de->d_reclen) {
			de = (const void *)(buf + at);
			if (parse_u32(de->d_name, UINT32_MAX, &fd) == 0 &&
			    fd > 2 && (int)fd != dir &&
			    fcntl((int)fd, F_SETFD, 0) < 0)
				return -errno;
		}
	}
	return n < 0 ? -errno : 0;
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

/* What the next program finds; ours is not touched: other threads read it. */
struct environment {
	char resume[sizeof(UPGRADE_ENV) + 16];
	char **words;
};

static void environment_free(struct environment *e)
{
	free(e->words);
}

static int environment_make(struct environment *e, int state_fd)
{
	size_t len = strlen(UPGRADE_ENV "="), n = 0, k = 0;

	while (environ && environ[n])
		n++;
	e->words = calloc(n + 2, sizeof(*e->words));
	if (!e->words)
		return -ENOMEM;
	snprintf(e->resume, sizeof(e->resume), UPGRADE_ENV "=%d", state_fd);
	e->words[k++] = e->resume;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], UPGRADE_ENV "=", len) != 0)
			e->words[k++] = environ[i];
	}
	return 0;
}

static int execute(const char *program, char *const argv[],
		   const struct environment *e)
{
	int r = inherit_all();

	if (r == 0) {
		execve(program, argv, e->words);
		r = -errno;
	}
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	return r;
}

int upgrade_exec(const char *program, char *const argv[], int state_fd)
{
	_cleanup_(environment_free) struct environment e = { .words = NULL };
	int r = environment_make(&e, state_fd);

	return r < 0 ? r : execute(program, argv, &e);
}

/* Not nanosleep(3): a thread checker takes a lock of its own there. */
static void pause_ms(unsigned ms)
{
	const struct timespec t = { .tv_nsec = ms * (long)CLOCK_MS };

	syscall(SYS_nanosleep, &t, NULL);
}

/* What our parent left free of the descriptors is for us. */
static void raise_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

/*
 * In the copy. Locks of the C library may be held by threads that it has not:
 * nothing here takes one. Another parent is seen only when no thread of `old`
 * can open or close anything any more.
 */
static _Noreturn void take_over(pid_t old, char *const argv[],
				const struct environment *e,
				void (*alone)(void *ctx), void *ctx)
{
	int r = 0;

	while (getppid() == old)
		pause_ms(1);
	alone(ctx);
	raise_limit();
	for (int tries = 0; tries < TRIES; tries++) {
		r = execute(SELF, argv, e);
		pause_ms(100);
	}
	log_error("taking the keeper's place: %s", strerrordesc_np(-r));
	for (;;)
		kill(getpid(), SIGKILL);
}

int upgrade_take_over(char *const argv[], int state_fd,
		      void (*alone)(void *ctx), void *ctx)
{
	_cleanup_(environment_free) struct environment e = { .words = NULL };
	pid_t self = getpid(), pid;
	int r = environment_make(&e, state_fd);

	if (r < 0)
		return r;
	if (access(SELF, X_OK) < 0)
		return -errno;
	pid = forkshare();
	/* Where there are too many processes there may soon be fewer. */
	for (int tries = 0; pid < 0 && errno == EAGAIN && tries < TRIES;
	     tries++) {
		pause_ms(100);
		pid = forkshare();
	}
	if (pid < 0)
		return -errno;
	if (pid == 0)
		take_over(self, argv, &e, alone, ctx);
	kill(self, SIGKILL);
	for (;;)
		pause();
}
