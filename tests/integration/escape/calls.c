/* SPDX-License-Identifier: GPL-2.0-or-later */
/* escape - by system calls that know no container. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A file handle, and one that is guessed: ext4's, XFS's and others' root. */
static int way_handle(char **arg)
{
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	} own = { .h.handle_bytes = MAX_HANDLE_SZ };
	static const unsigned roots[] = { 2, 64, 96, 128, 256 };
	int mount = open("/", O_RDONLY | O_DIRECTORY), id, fd;

	(void)arg;
	if (!name_to_handle_at(AT_FDCWD, "/", &own.h, &id, 0)) {
		fd = open_by_handle_at(mount, &own.h, O_RDONLY);
		if (fd >= 0)
			return escape_out("its own root, by a handle");
	}
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		memset(&own, 0, sizeof(own));
		own.h.handle_bytes = 8;
		own.h.handle_type = 1;
		memcpy(own.h.f_handle, &roots[i], sizeof(roots[i]));
		fd = open_by_handle_at(mount, &own.h, O_RDONLY);
		if (fd >= 0)
			return escape_out("a root, by a handle");
		if (errno != EPERM)
			return escape_right("open_by_handle_at", -1);
	}
	return escape_closed("open_by_handle_at");
}

static int way_module(char **arg)
{
	static const char junk[] = "no module";

	(void)arg;
	return escape_right("init_module",
			    syscall(SYS_init_module, junk, sizeof(junk), ""));
}

static int way_kexec(char **arg)
{
	(void)arg;
	/* flags that there are not */
	return escape_right("kexec_load",
			    syscall(SYS_kexec_load, 0, 0, NULL, 0xfff0));
}

static int way_key(char **arg)
{
	(void)arg;
	return escape_right("add_key",
			    syscall(SYS_add_key, "user", "vefs", "x", 1, -3));
}

static int way_bpf(char **arg)
{
	(void)arg;
	return escape_right("bpf", syscall(SYS_bpf, -1, NULL, 0));
}

static int way_perf(char **arg)
{
	(void)arg;
	return escape_right("perf_event_open",
			    syscall(SYS_perf_event_open, NULL, -1, -1, -1, 0));
}

/* Set to what it is. */
static int way_clock(char **arg)
{
	struct timeval now;

	(void)arg;
	gettimeofday(&now, NULL);
	return escape_right("settimeofday", settimeofday(&now, NULL));
}

/* The host's kernel's messages. */
static int way_dmesg(char **arg)
{
	char text[256];
	long n = syscall(SYS_syslog, 3, text, sizeof(text));

	(void)arg;
	return n < 0 ? escape_closed("syslog") : escape_out("the kernel's log");
}

/* Type into whatever terminal there is. */
static int way_type(char **arg)
{
	static const char *const ttys[] = { "/dev/console", "/dev/tty",
					    "/proc/self/fd/0",
					    "/proc/self/fd/1",
					    "/proc/self/fd/2" };

	(void)arg;
	for (size_t i = 0; i < sizeof(ttys) / sizeof(ttys[0]); i++) {
		int fd = open(ttys[i], O_RDWR | O_NOCTTY);
		char sub = 3, c = 'x';

		if (fd < 0)
			continue;
		if (!ioctl(fd, TIOCSTI, &c) ||
		    !syscall(SYS_ioctl, fd, TIOCSTI | 1L << 32, &c))
			return escape_out(ttys[i]);
		if (errno != EPERM && errno != ENOTTY && errno != EIO)
			return escape_right(ttys[i], -1);
		if (!ioctl(fd, TIOCLINUX, &sub))
			return escape_out(ttys[i]);
		close(fd);
	}
	return escape_closed("TIOCSTI");
}

static int way_abstract(char **arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t len = strlen(arg[0]);

	if (len > sizeof(a.sun_path) - 1)
		return 3;
	memcpy(a.sun_path + 1, arg[0], len);
	if (!connect(fd, (struct sockaddr *)&a,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				 len)))
		return escape_out(arg[0]);
	return escape_closed(arg[0]);
}

static int way_vsock(char **arg)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	(void)arg;
	return fd < 0 ? escape_closed("vsock") : escape_out("a vsock");
}

/* What is asked for in it is seen by no filter of calls. */
static int way_uring(char **arg)
{
	struct io_uring_params p = { .flags = 0 };

	(void)arg;
	return escape_right("io_uring_setup",
			    syscall(SYS_io_uring_setup, 1, &p));
}

static int way_ptrace(char **arg)
{
	for (; *arg; arg++) {
		pid_t pid = atoi(*arg);

		if (!ptrace(PTRACE_SEIZE, pid, NULL, NULL))
			return escape_out(*arg);
	}
	return escape_closed("ptrace");
}

static int way_kill(char **arg)
{
	for (; *arg; arg++)
		if (!kill(atoi(*arg), SIGKILL))
			return escape_out(*arg);
	return escape_closed("kill");
}

/* MAJOR MINOR b|c: a node that opens. */
static int way_mknod(char **arg)
{
	static const char *const places[] = { "/node", "/dev/node",
					      "/dev/shm/node" };
	dev_t dev = makedev((unsigned)atoi(arg[0]), (unsigned)atoi(arg[1]));
	mode_t type = arg[2][0] == 'b' ? S_IFBLK : S_IFCHR;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd;

		unlink(places[i]);
		if (mknod(places[i], type | 0666, dev))
			continue;
		fd = open(places[i], O_RDONLY | O_NONBLOCK);
		if (fd >= 0)
			return escape_out(places[i]);
	}
	return escape_closed("mknod");
}

/* PATH...: any that can be opened for reading; "+": for writing from here. */
static int way_open(char **arg)
{
	int flags = O_RDONLY;

	for (; *arg; arg++) {
		if (!strcmp(*arg, "+"))
			flags = O_WRONLY;
		else if (open(*arg, flags | O_NONBLOCK) >= 0)
			return escape_out(*arg);
	}
	return escape_closed("open");
}

const struct escape_way escape_calls[] = {
	{ "handle", 0, way_handle }, { "module", 0, way_module },
	{ "kexec", 0, way_kexec },   { "key", 0, way_key },
	{ "bpf", 0, way_bpf },	     { "perf", 0, way_perf },
	{ "clock", 0, way_clock },   { "dmesg", 0, way_dmesg },
	{ "type", 0, way_type },     { "abstract", 1, way_abstract },
	{ "vsock", 0, way_vsock },   { "ptrace", 1, way_ptrace },
	{ "kill", 1, way_kill },     { "mknod", 3, way_mknod },
	{ "open", 1, way_open },     { "uring", 0, way_uring },
	{ NULL, 0, NULL },
};
