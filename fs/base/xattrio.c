/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/xattrio.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#endif

/* The kernel's struct xattr_args. */
struct xattrio_args {
	uint64_t value __attribute__((aligned(8)));
	uint32_t size;
	uint32_t flags;
};

/*
 * errno after a call by /proc: the link is missing when nothing is open
 * there. (Nothing else gives ENOENT here.)
 */
static int proc_error(void)
{
	return errno == ENOENT ? -EBADF : -errno;
}

ssize_t xattrio_get(int fd, const char *name, void *buf, size_t size)
{
	char path[FDIO_PROC_MAX];
	ssize_t n = fgetxattr(fd, name, buf, size);

	if (n < 0 && errno == EBADF)
		n = getxattr(fdio_proc(path, fd), name, buf, size);
	return n < 0 ? proc_error() : n;
}

ssize_t xattrio_list(int fd, char *buf, size_t size)
{
	char path[FDIO_PROC_MAX];
	ssize_t n = flistxattr(fd, buf, size);

	if (n < 0 && errno == EBADF)
		n = listxattr(fdio_proc(path, fd), buf, size);
	return n < 0 ? proc_error() : n;
}

int xattrio_set(int fd, const char *name, const void *buf, size_t size,
		int flags)
{
	char path[FDIO_PROC_MAX];
	int r = fsetxattr(fd, name, buf, size, flags);

	if (r < 0 && errno == EBADF)
		r = setxattr(fdio_proc(path, fd), name, buf, size, flags);
	return r < 0 ? proc_error() : 0;
}

int xattrio_remove(int fd, const char *name)
{
	char path[FDIO_PROC_MAX];
	int r = fremovexattr(fd, name);

	if (r < 0 && errno == EBADF)
		r = removexattr(fdio_proc(path, fd), name);
	return r < 0 ? proc_error() : 0;
}

ssize_t xattrio_getat(int dirfd, const char *name, const char *attr, void *buf,
		      size_t size)
{
	static _Atomic int missing;
	_cleanup_close_ int fd = -1;

	if (!atomic_load_explicit(&missing, memory_order_relaxed)) {
		struct xattrio_args args = {
			.value = (uint64_t)(uintptr_t)buf,
			.size = (uint32_t)size,
		};
		long n = syscall(SYS_getxattrat, dirfd, name,
				 AT_SYMLINK_NOFOLLOW, attr, &args,
				 sizeof(args));

		if (n >= 0 || errno != ENOSYS)
			return n < 0 ? -errno : n;
		atomic_store(&missing, 1);
	}
	fd = fdio_openat(dirfd, name, O_PATH, 0);
	return fd < 0 ? fd : xattrio_get(fd, attr, buf, size);
}

ssize_t xattrio_dup(int fd, const char *attr, char **out)
{
	for (int tries = 0; tries < 16; tries++) {
		_cleanup_free_ char *buf = NULL;
		ssize_t n = attr ? xattrio_get(fd, attr, NULL, 0)
				 : xattrio_list(fd, NULL, 0);

		if (n < 0)
			return n;
		buf = malloc((size_t)n + 1);
		if (!buf)
			return -ENOMEM;
		if (n > 0)
			n = attr ? xattrio_get(fd, attr, buf, (size_t)n)
				 : xattrio_list(fd, buf, (size_t)n);
		if (n == -ERANGE)
			continue;
		if (n < 0)
			return n;
		buf[n] = '\0';
		*out = TAKE_PTR(buf);
		return n;
	}
	return -ERANGE;
}
