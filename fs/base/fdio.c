/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/fdio.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "fs/base/cleanup.h"

#define RESOLVE_AT_ONCE 100
#define RESOLVE_TRIES 1000
#define RESOLVE_PAUSE 1000000 /* ns */

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

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

int fdio_keep_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR); /* not O_CLOEXEC */
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
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

int fdio_open_apart(const char *path)
{
	_cleanup_close_ int tree = -1;

	tree = (int)syscall(SYS_open_tree, AT_FDCWD, path,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree >= 0)
		return fdio_openat(tree, ".", O_RDONLY | O_DIRECTORY, 0);
	tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return tree < 0 ? -errno : TAKE_FD(tree);
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

/*
 * A rename or a mount anywhere on the machine beside a ".." makes the kernel
 * unsure: EAGAIN. The next try is through, mostly.
 */
int fdio_resolve(int dirfd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC),
				.resolve = resolve };
	const struct timespec pause = { .tv_nsec = RESOLVE_PAUSE };
	int fd = -EAGAIN;

	for (int tries = 0; fd == -EAGAIN && tries < RESOLVE_TRIES; tries++) {
		if (tries >= RESOLVE_AT_ONCE)
			nanosleep(&pause, NULL);
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd < 0)
			fd = -errno;
	}
	return fd;
}

/* A path that the kernel takes as a whole. */
static int open_piece(int dirfd, const char *path, int flags)
{
	return fdio_resolve(dirfd, path, flags,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
				    RESOLVE_NO_XDEV);
}

/* The part of a path that is too long for one call; 0: it is not, or none. */
static int first_piece(const char *path, char piece[PATH_MAX])
{
	size_t len = strnlen(path, PATH_MAX);

	if (len < PATH_MAX)
		return 0;
	for (len--; len > 0 && path[len] != '/'; len--)
		;
	/* a slash in front is no way to begin: the kernel says so */
	if (!len)
		return 0;
	memcpy(piece, path, len);
	piece[len] = '\0';
	return (int)len;
}

int fdio_open_beneath(int dirfd, const char *path, int flags)
{
	_cleanup_close_ int at = -1;
	char piece[PATH_MAX];
	int len;

	while ((len = first_piece(path, piece)) > 0) {
		int next = open_piece(at < 0 ? dirfd : at, piece,
				      O_PATH | O_DIRECTORY);

		if (next < 0)
			return next;
		if (at >= 0)
			close(at);
		at = next;
		for (path += len; *path == '/'; path++)
			;
		/* "a/" is a, and a directory */
		if (!*path)
			path = ".";
	}
	return open_piece(at < 0 ? dirfd : at, path, flags);
}

int fdio_opendir(int fd, DIR **out)
{
	DIR *d;
	int r;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	*out = d;
	return 0;
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
	return fdio_pwrite_sync(fd, buf, len, off, 0);
}

ssize_t fdio_pwrite_sync(int fd, const void *buf, size_t len, off_t off,
			 int sync)
{
	size_t done = 0;

	while (done < len) {
		struct iovec v = { (char *)(uintptr_t)buf + done, len - done };
		ssize_t n = sync ? pwritev2(fd, &v, 1, off + (off_t)done, sync)
				 : pwrite(fd, v.iov_base, v.iov_len,
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

	/* O_PATH too, without a walk through /proc: Linux 6.6 and newer. */
	if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOSYS)
		return -errno;
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
