/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/control.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"

#define RUN_FOLDER "/run/vefs"
#define ANSWER_SECONDS 30
#define WAITING 4 /* to be accepted */

static int run_folder(char *path, size_t len)
{
	const char *root = secure_getenv("VEFS_ROOT");
	int n = root && *root ? snprintf(path, len, "%s/run", root)
			      : snprintf(path, len, "%s", RUN_FOLDER);

	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

static int address(dev_t dev, const char *role, struct sockaddr_un *a)
{
	char folder[sizeof(a->sun_path) - 32];
	int r = run_folder(folder, sizeof(folder));

	if (r < 0)
		return r;
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path, sizeof(a->sun_path), "%s/%u-%u%s", folder,
		 major(dev), minor(dev), role);
	return 0;
}

int control_listen(dev_t dev, const char *role, uint64_t *ino)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un a;
	char folder[sizeof(a.sun_path)];
	struct stat st;
	int r = address(dev, role, &a);

	if (r == 0)
		r = run_folder(folder, sizeof(folder));
	if (r < 0)
		return r;
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* The number belongs to our mount: what is there is a dead one's. */
	unlink(a.sun_path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(a.sun_path, 0600) < 0 || listen(fd, WAITING) < 0 ||
	    lstat(a.sun_path, &st) < 0)
		return -errno;
	*ino = st.st_ino;
	return TAKE_FD(fd);
}

void control_listen_again(int listener)
{
	if (listener >= 0 && listen(listener, WAITING) < 0)
		log_debug("control socket: %s", strerror(errno));
}

void control_unlink(dev_t dev, const char *role, uint64_t ino)
{
	struct sockaddr_un a;
	struct stat st;

	if (address(dev, role, &a) == 0 && lstat(a.sun_path, &st) == 0 &&
	    st.st_ino == ino)
		unlink(a.sun_path);
}

static void patience(int fd, unsigned ms)
{
	struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/* A line, or what comes until the end; without the newline. */
int control_read(int fd, char *line)
{
	size_t n = 0;
	char *end;

	while (n < CONTROL_LINE - 1) {
		ssize_t k = recv(fd, line + n, CONTROL_LINE - 1 - n, 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		n += (size_t)k;
		line[n] = '\0';
		end = strchr(line, '\n');
		if (end) {
			*end = '\0';
			return 0;
		}
		if (k == 0)
			return n > 0 ? 0 : -ECONNRESET;
	}
	return -EMSGSIZE;
}

int control_accept(int listener, unsigned ms, char *line)
{
	_cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct ucred who;
	socklen_t len = sizeof(who);
	int r;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return -errno;
	if (who.uid != 0 && who.uid != geteuid())
		return -EPERM;
	patience(fd, ms);
	r = control_read(fd, line);
	return r < 0 ? r : TAKE_FD(fd);
}

bool control_is_full(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ||
	       error == -ENOBUFS;
}

void control_answer(int fd, const char *answer)
{
	char line[CONTROL_LINE];
	int n = snprintf(line, sizeof(line), "%.4000s\n", answer);

	/* Whoever asked may be gone: not our concern. */
	(void)!send(fd, line, (size_t)n, MSG_NOSIGNAL);
	shutdown(fd, SHUT_RDWR);
}

int control_connect(const char *path, const char *role, const char *request)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return control_connect_dev(st.st_dev, role, request);
}

int control_connect_dev(dev_t dev, const char *role, const char *request)
{
	_cleanup_close_ int fd = -1;
	char line[CONTROL_LINE];
	struct sockaddr_un a;
	int n, r = address(dev, role, &a);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	patience(fd, ANSWER_SECONDS * 1000);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? -ENXIO
								: -errno;
	n = snprintf(line, sizeof(line), "%s\n", request);
	if (n < 0 || (size_t)n >= sizeof(line))
		return -ENAMETOOLONG;
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return errno ? -errno : -EPIPE;
	return TAKE_FD(fd);
}

int control_ask(const char *path, const char *request, char *answer)
{
	_cleanup_close_ int fd = control_connect(path, CONTROL_KEEPER, request);

	return fd < 0 ? fd : control_read(fd, answer);
}
