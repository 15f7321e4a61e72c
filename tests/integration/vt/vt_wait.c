/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - things that wait, each bounded: a watchdog for a case, the end of a
 * daemon, events, sockets.
 */
#include "vt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Wait for PID; when SECONDS are over kill its process group, exit 1. */
static int run_watchdog(int argc, char **argv)
{
	pid_t pid = (pid_t)vt_number(argv[1]);
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)argc;
	if (fd < 0)
		return errno == ESRCH ? 0 : vt_errno("pidfd_open");
	if (poll(&p, 1, (int)vt_number(argv[2]) * 1000) > 0)
		return 0;
	kill(-pid, SIGKILL);
	return 1;
}

/* The processes whose command line holds TEXT, one pid per line. */
static int list_pids(const char *text, int print)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	int found = 0;

	if (!proc)
		return 0;
	while ((e = readdir(proc))) {
		char path[300], line[65536];
		ssize_t n;
		int fd;

		if (strspn(e->d_name, "0123456789") != strlen(e->d_name) ||
		    atoi(e->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, line, sizeof(line) - 1);
		close(fd);
		for (ssize_t i = 0; i < n; i++)
			if (line[i] == '\0')
				line[i] = ' ';
		if (n <= 0)
			continue;
		line[n] = '\0';
		if (!strstr(line, text))
			continue;
		found++;
		if (print)
			puts(e->d_name);
	}
	closedir(proc);
	return found;
}

static int run_pids(int argc, char **argv)
{
	(void)argc;
	return list_pids(argv[1], 1) > 0 ? 0 : 1;
}

/* N children that wait as long as this one, which waits SECONDS. */
static int run_forks(int argc, char **argv)
{
	long long n = vt_number(argv[1]);

	(void)argc;
	while (n-- > 0) {
		pid_t pid = fork();

		if (pid < 0)
			return vt_errno("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
	}
	puts("ready");
	fflush(stdout);
	sleep((unsigned)vt_number(argv[2]));
	return 0;
}

/* Wait until no process has TEXT in its command line. */
static int run_gone(int argc, char **argv)
{
	long long tries = vt_number(argv[2]) * 200;

	(void)argc;
	while (list_pids(argv[1], 0) > 0) {
		if (tries-- == 0)
			return vt_fail("still running");
		usleep(5000);
	}
	return 0;
}

static int run_strerror(int argc, char **argv)
{
	(void)argc;
	for (int e = 1; e < 200; e++) {
		const char *name = strerrorname_np(e);

		if (name && strcmp(name, argv[1]) == 0) {
			puts(strerror(e));
			return 0;
		}
	}
	return vt_fail("no such error: %s", argv[1]);
}

static const struct {
	uint32_t bit;
	const char *word;
} events[] = {
	{ IN_ACCESS, "access" },	   { IN_MODIFY, "modify" },
	{ IN_ATTRIB, "attrib" },	   { IN_OPEN, "open" },
	{ IN_CREATE, "create" },	   { IN_DELETE, "delete" },
	{ IN_MOVED_FROM, "moved_from" },   { IN_MOVED_TO, "moved_to" },
	{ IN_CLOSE_WRITE, "close_write" }, { IN_DELETE_SELF, "delete_self" },
};

static void print_events(const char *buf, ssize_t n)
{
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
			if (e->mask & events[i].bit)
				printf("%s %s\n", events[i].word,
				       e->len ? e->name : "-");
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

/* Watch PATH, run a command, print the events that came. */
static int run_inotify(int argc, char **argv)
{
	char buf[65536] __attribute__((aligned(8)));
	int fd = inotify_init1(IN_CLOEXEC);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int status = -1;
	pid_t pid;

	(void)argc;
	if (inotify_add_watch(fd, argv[1], IN_ALL_EVENTS) < 0)
		return vt_errno("inotify_add_watch");
	pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return vt_fail("the command failed");
	while (poll(&p, 1, 200) > 0) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0)
			return vt_errno("read");
		print_events(buf, n);
	}
	return 0;
}

static void child_says(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0)
		_exit(vt_errno("connect"));
	_exit(write(fd, "hello", 5) == 5 ? 0 : 1);
}

/* Bind, connect by name from another process, talk. */
static int run_socket(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[8] = "";
	struct stat st;
	int peer, status = -1;
	pid_t pid;

	(void)argc;
	if (strlen(argv[1]) >= sizeof(sa.sun_path))
		return vt_fail("path too long for a socket");
	memcpy(sa.sun_path, argv[1], strlen(argv[1]) + 1);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		return vt_errno("bind");
	if (listen(fd, 1) != 0)
		return vt_errno("listen");
	if (lstat(argv[1], &st) != 0 || !S_ISSOCK(st.st_mode))
		return vt_fail("no socket there");
	alarm(10);
	pid = fork();
	if (pid == 0)
		child_says(&sa);
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return vt_fail("the client failed");
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0 || read(peer, buf, 5) != 5 || strcmp(buf, "hello") != 0)
		return vt_fail("the server heard: %s", buf);
	return 0;
}

/* Listen on a name, make MARK, and wait for one greeting; bounded. */
static int run_serve(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[8] = "";
	int peer;

	(void)argc;
	alarm(10);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", argv[1]);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 1))
		return vt_errno("bind");
	if (close(open(argv[2], O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) != 0)
		return vt_errno("mark");
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0 || read(peer, buf, 5) != 5 || strcmp(buf, "hello") != 0)
		return vt_fail("the server heard: %s", buf);
	return 0;
}

static int run_connect(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	(void)argc;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", argv[1]);
	child_says(&sa);
	return 1;
}

static int write_map(pid_t pid, const char *file, const char *base,
		     const char *count)
{
	char path[64], line[128];
	int len = snprintf(line, sizeof(line), "0 %s %s\n", base, count);
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, line, (size_t)len) == len ? 0
							      : vt_errno(file);
}

static void userns_child(int unshared, int mapped, char **argv)
{
	char byte;

	if (unshare(CLONE_NEWUSER) != 0)
		_exit(vt_errno("unshare"));
	if (write(unshared, "u", 1) != 1 || read(mapped, &byte, 1) != 1)
		_exit(vt_fail("no maps"));
	if (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 ||
	    setresuid(0, 0, 0) != 0)
		_exit(vt_errno("setresuid"));
	execvp(argv[0], argv);
	_exit(vt_errno("exec"));
}

/* Run a command as root of a user namespace whose ids start at the bases. */
static int run_userns(int argc, char **argv)
{
	int up[2], down[2], status = -1;
	char byte;
	pid_t pid;

	(void)argc;
	if (pipe(up) != 0 || pipe(down) != 0)
		return vt_errno("pipe");
	pid = fork();
	if (pid == 0) {
		close(up[0]);
		close(down[1]);
		userns_child(up[1], down[0], argv + 4);
	}
	close(up[1]);
	if (read(up[0], &byte, 1) == 1 &&
	    write_map(pid, "uid_map", argv[1], argv[3]) == 0 &&
	    write_map(pid, "gid_map", argv[2], argv[3]) == 0 &&
	    write(down[1], "m", 1) != 1)
		vt_errno("write");
	close(down[1]);
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

const struct vt_command vt_wait_commands[] = {
	{ "forks", "N SECONDS", 2, run_forks },
	{ "watchdog", "PID SECONDS", 2, run_watchdog },
	{ "pids", "TEXT", 1, run_pids },
	{ "gone", "TEXT SECONDS", 2, run_gone },
	{ "strerror", "ENAME", 1, run_strerror },
	{ "inotify", "PATH COMMAND...", 2, run_inotify },
	{ "socket", "PATH", 1, run_socket },
	{ "serve", "PATH MARK", 2, run_serve },
	{ "connect", "PATH", 1, run_connect },
	{ "userns", "UID GID COUNT COMMAND...", 4, run_userns },
	{ NULL, NULL, 0, NULL },
};
