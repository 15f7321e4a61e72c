/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/fdio.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"

const char *fdio_proc(char buf[FDIO_PROC_MAX], int fd)
{
	static const char prefix[] = "/proc/self/fd/";
	char digits[12];
	char *out = buf;
	int n = 0;

	for (const char *p = prefix; *p; p++)
		*out++ = *p;
	if (fd < 0) {
		*out++ = '-';
		fd = 0;
	}
	do {
		digits[n++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd > 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
	return buf;
}

int fdio_reopen(int fd, int flags)
{
	char path[FDIO_PROC_MAX];
	int new;

	if (fd < 0)
		return -EBADF;
	new = open(fdio_proc(path, fd), flags | O_CLOEXEC);
	return new < 0 ? -errno : new;
}

int fdio_openat(int dirfd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int fdio_open_beneath(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd = -1;

	/* A rename anywhere beside a ".." makes the kernel unsure: EAGAIN. */
	for (int tries = 0; tries < 100; tries++) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

ssize_t fdio_pread_full(int fd, void *buf, size_t len, off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done,
				  off + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t fdio_pwrite_full(int fd, const void *buf, size_t len, off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)buf + done, len - done,
				   off + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return done ? (ssize_t)done : -errno;
		if (n == 0)
			return done ? (ssize_t)done : -EIO;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fdio_stat(int fd, struct stat *st)
{
	return fstatat(fd, "", st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : 0;
}

int fdio_chmod(int fd, mode_t mode)
{
	char path[FDIO_PROC_MAX];

	if (fchmod(fd, mode) == 0)
		return 0;
	if (errno == EBADF && chmod(fdio_proc(path, fd), mode) == 0)
		return 0;
	return -errno;
}

int fdio_statat(int dirfd, const char *name, struct stat *st)
{
	return fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int fdio_exists(int dirfd, const char *name)
{
	struct stat st;
	int r = fdio_statat(dirfd, name, &st);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : 1;
}
