/* SPDX-License-Identifier: GPL-2.0-or-later */
/* escape - by processes that come in from outside. */
#include "escape.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Its name; false: it is gone. */
static int name_of(const char *pid, char name[32])
{
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, name, 31);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	name[n] = '\0';
	return 1;
}

static int is_host(const char *pid)
{
	char name[32];

	return name_of(pid, name) && !strncmp(name, "vefs", 4);
}

/* In a process of its own: whom it traced is free when that ends. */
static int trace(const char *pid)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(!(!ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL) &&
			is_host(pid)));
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

/*
 * Any way into a process that still is the host's program. It may become the
 * container's any time, so it has to be that afterwards too.
 */
static const char *get_into(const char *pid)
{
	static const char *const parts[] = {
		"exe",	"cwd",	"root", "mem",	"maps", "environ",
		"fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/5"
	};
	char path[300];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/%s", pid, parts[i]);
		fd = open(path, O_RDONLY | O_NONBLOCK);
		if (fd < 0)
			continue;
		close(fd);
		if (is_host(pid))
			return parts[i];
	}
	return trace(pid) ? "ptrace" : NULL;
}

/* UNTIL: look at all that come in until there is this file. */
static int way_watch(char **arg)
{
	unsigned met = 0;
	time_t end = time(NULL) + 50;

	while (access(arg[0], F_OK) && time(NULL) < end) {
		DIR *d = opendir("/proc");
		const struct dirent *e;

		while (d && (e = readdir(d))) {
			const char *part;

			if (!isdigit((unsigned char)e->d_name[0]) ||
			    !is_host(e->d_name))
				continue;
			met++;
			part = get_into(e->d_name);
			if (part) {
				printf("met %u\n", met);
				return escape_out(part);
			}
		}
		if (d)
			closedir(d);
	}
	printf("met %u\n", met);
	return met ? escape_closed("processes that come in")
		   : escape_absent("processes that come in");
}

/* What of the host an entered process has: 0, 1, 2 are its own. */
static int way_leaks(char **arg)
{
	char path[64], to[512];
	struct stat root, cwd;

	(void)arg;
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			ssize_t n;

			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			n = readlink(path, to, sizeof(to) - 1);
			to[n > 0 ? n : 0] = '\0';
			return escape_out(to);
		}
	if (stat("/", &root) || stat(".", &cwd) || root.st_dev != cwd.st_dev)
		return escape_out("its working directory");
	errno = EBADF;
	return escape_closed("descriptors");
}

const struct escape_way escape_procs[] = {
	{ "watch", 1, way_watch },
	{ "leaks", 0, way_leaks },
	{ NULL, 0, NULL },
};
