/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/monitorpriv.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/flockwait.h"
#include "fs/base/log.h"
#include "fs/control.h"
#include "tools/monitor.h"
#include "tools/runstate.h"

#define AGAIN_MAX 10

/* The keeper is who listens; its children are the workers. */
int monitorpriv_daemons(const char *root, pid_t pids[MONITORPRIV_DAEMONS])
{
	_cleanup_close_ int fd = control_connect(root, CONTROL_KEEPER, "who");
	struct ucred keeper;
	socklen_t len = sizeof(keeper);
	char path[64];
	int n = 0, child;
	FILE *f;

	if (fd < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &keeper, &len) < 0)
		return 0;
	pids[n++] = keeper.pid;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", keeper.pid,
		 keeper.pid);
	f = fopen(path, "re");
	while (f && n < MONITORPRIV_DAEMONS && fscanf(f, "%d", &child) == 1)
		pids[n++] = child;
	if (f)
		fclose(f);
	return n;
}

bool monitorpriv_serves(pid_t pid, const char *group)
{
	char path[64], line[512], want[160];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	snprintf(want, sizeof(want), ":/vefs/%s/daemon\n", group);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, want);
	if (f)
		fclose(f);
	return found;
}

int monitorpriv_set_init(struct spec *s, char *const *argv)
{
	size_t n = 0;
	char **copy;

	while (argv[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(argv[i]);
		if (!copy[i])
			n = 0;
	}
	for (size_t i = 0; s->init && s->init[i]; i++)
		free(s->init[i]);
	free(s->init);
	s->init = copy;
	return copy && n ? 0 : -ENOMEM;
}

int monitorpriv_folder(const struct container *one)
{
	if (mkdirat(one->dir, RUNSTATE_FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	return fdio_openat(one->dir, RUNSTATE_FOLDER, O_RDONLY | O_DIRECTORY,
			   0);
}

int monitorpriv_lock(int run)
{
	return flockwait(run, LOCK_EX, FLOCKWAIT_ENDING);
}

int monitorpriv_signals(void)
{
	static const int heard[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP,
				     SIGQUIT };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_SIZE(heard); i++)
		sigaddset(&set, heard[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	signal(SIGPIPE, SIG_IGN);
	return fd < 0 ? -errno : fd;
}

/* However long the way to it is: addresses are short. */
static struct sockaddr_un address(int run)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path),
		 "/proc/self/fd/%d/" RUNSTATE_CONTROL, run);
	return a;
}

int monitorpriv_listen(int run)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr_un a = address(run);

	if (fd < 0)
		return -errno;
	unlinkat(run, RUNSTATE_CONTROL, 0);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 8) < 0)
		return -errno;
	return TAKE_FD(fd);
}

void monitorpriv_background(int report)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (report >= 0)
		close(report);
}

/* He may hear it twice: somebody may be killed in between. */
void monitorpriv_answer_all(struct monitor *m, const char *text)
{
	for (unsigned i = 0; i < MONITORPRIV_WAITING; i++) {
		_cleanup_close_ int fd = m->waiting[i];

		if (fd >= 0)
			control_answer(fd, text);
		m->waiting[i] = -1;
	}
}

/* ---- from outside ---------------------------------------------------------- */

int monitor_connect(const struct container *one, const char *request)
{
	_cleanup_close_ int run = fdio_openat(one->dir, RUNSTATE_FOLDER,
					      O_RDONLY | O_DIRECTORY, 0);
	_cleanup_close_ int fd = -1;
	char line[CONTROL_LINE];
	struct sockaddr_un a;
	int n;

	if (run < 0)
		return run == -ENOENT ? -ENXIO : run;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	a = address(run);
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? -ENXIO
								: -errno;
	n = snprintf(line, sizeof(line), "%s\n", request);
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return -EPIPE;
	return TAKE_FD(fd);
}

bool monitor_is_there(const struct container *one)
{
	_cleanup_close_ int run = fdio_openat(one->dir, RUNSTATE_FOLDER,
					      O_RDONLY | O_DIRECTORY, 0);

	return run >= 0 && flock(run, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

bool monitor_again(const struct container *one, unsigned *tries)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

	if (++*tries > AGAIN_MAX || !monitor_is_there(one))
		return false;
	nanosleep(&pause, NULL);
	return true;
}

/* One answer, in text[CONTROL_LINE] without its newline; or as for all. */
static int ask(const struct container *one, const char *request, unsigned ms,
	       char *text, struct why *why)
{
	_cleanup_close_ int fd = monitor_connect(one, request);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (fd == -ENXIO || fd == -EPIPE)
		return fd;
	if (fd < 0)
		return why_sys(why, fd, "container %s: its monitor", one->id);
	if (poll(&p, 1, (int)ms) <= 0)
		return why_set(why, -ETIMEDOUT,
			       "container %s: its monitor does not answer",
			       one->id);
	n = recv(fd, text, CONTROL_LINE - 1, MSG_WAITALL);
	if (n <= 0)
		return -EPIPE;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int monitor_ask(const struct container *one, const char *request, unsigned ms,
		struct why *why)
{
	char text[CONTROL_LINE] = "";
	unsigned tries = 0;
	int r;

	do
		r = ask(one, request, ms, text, why);
	while (r == -EPIPE && monitor_again(one, &tries));
	if (r < 0 || strcmp(text, "ok") == 0)
		return r;
	return why_set(why, -EREMOTEIO, "container %s: %s", one->id,
		       strncmp(text, "error: ", 7) == 0 ? text + 7 : text);
}
