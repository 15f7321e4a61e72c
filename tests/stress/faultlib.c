/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To be preloaded, see faultlib.h. Every wrapper asks verdict() and then
 * answers itself or calls libc's function. Names with 64 at their end are the
 * same functions on the 64-bit machines that this runs on.
 */
#include "tests/stress/faultlib.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#endif

static struct fault_control *control;
static uint64_t program; /* where it is loaded */

enum verdict { PASS, FAIL, HALF };

/* Is it on one of the filesystems that are to fail? */
static bool is_backing(int fd, const char *path)
{
	struct statx sx;
	uint64_t dev;
	long r;

	/*
	 * Without asking the filesystem: it may be our own mount, and nobody
	 * serves it yet. This statx is not one of those below.
	 */
	if (path && (path[0] == '/' || fd == AT_FDCWD))
		r = syscall(SYS_statx, AT_FDCWD, path, AT_STATX_DONT_SYNC,
			    STATX_TYPE, &sx);
	else
		r = syscall(SYS_statx, fd, "",
			    AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
			    &sx);
	if (r < 0)
		return false;
	if (S_ISCHR(sx.stx_mode) && sx.stx_rdev_major == 10 &&
	    sx.stx_rdev_minor == 229)
		return false;
	dev = makedev(sx.stx_dev_major, sx.stx_dev_minor);
	for (int i = 0; i < FAULT_DEVS; i++) {
		if (control->devs[i] && control->devs[i] == dev)
			return true;
	}
	return false;
}

static void note_caller(void)
{
	void *at[FAULT_FRAMES + 2];
	int n = backtrace(at, FAULT_FRAMES + 2);
	unsigned k = 0;
	Dl_info info;

	for (int i = 2; i < n && k < FAULT_FRAMES; i++) {
		if (dladdr(at[i], &info) && (uint64_t)info.dli_fbase == program)
			control->frames[k++] = (uint64_t)at[i] - program - 1;
	}
	control->n_frames = k;
}

static enum verdict judge(enum fault_call call)
{
	uint32_t n = atomic_fetch_add(&control->seen[call], 1) + 1;
	uint32_t nth = control->nth;
	bool hit = n == nth;

	if (call != control->call || nth == 0)
		return PASS;
	if (control->mode == FAULT_STICKY)
		hit = n >= nth;
	else if (control->mode == FAULT_SHORT_ERR)
		hit = n == nth || n == nth + 1;
	if (!hit)
		return PASS;
	if (atomic_fetch_add(&control->fired, 1) == 0)
		note_caller();
	if (control->mode == FAULT_SHORT ||
	    (control->mode == FAULT_SHORT_ERR && n == nth))
		return HALF;
	return FAIL;
}

/* What becomes of a call on `fd`, or on `path` (below it). */
static enum verdict verdict(enum fault_call call, int fd, const char *path)
{
	enum verdict v = PASS;
	int saved = errno;

	if (!control || !atomic_load(&control->armed))
		return PASS;
	if (is_backing(fd, path)) {
		int pid = getpid();

		if (atomic_exchange(&control->pid, pid) != pid)
			atomic_fetch_add(&control->pids, 1);
		v = judge(call);
	}
	errno = v == FAIL ? control->error : saved;
	return v;
}

static bool fails(enum fault_call call, int fd, const char *path)
{
	return verdict(call, fd, path) == FAIL;
}

/* libc's own. */
static void *next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f) {
		fprintf(stderr, "faultlib: no %s: %s\n", name, dlerror());
		abort();
	}
	return f;
}

static int find_program(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	program = info->dlpi_addr;
	return 1; /* it is the first */
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAULT_CONTROL");
	void *at, *warm[1];
	long fd;

	if (!path)
		return;
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		abort();
	}
	at = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
		  (int)fd, 0);
	close((int)fd);
	if (at == MAP_FAILED) {
		perror(path);
		abort();
	}
	dl_iterate_phdr(find_program, NULL);
	backtrace(warm, 1); /* it loads what it needs the first time */
	control = at;
}

/*
 * Our functions have names of their own in C and libc's for the linker: no
 * header's attributes and inline forms are in the way.
 */
#define NAMED(name) __asm__(name)

/* A function that answers -1 and errno: RETURN, NAME, (PARAMETERS),
 * (ARGUMENTS), which call it is, and what it is on. */
#define WRAP(ret, name, params, args, call, fd, path)                          \
	ret fault_##name params NAMED(#name);                                  \
	ret fault_##name params                                                \
	{                                                                      \
		static __typeof__(fault_##name) *real;                         \
                                                                               \
		if (fails(FAULT_##call, fd, path))                             \
			return -1;                                             \
		if (!real)                                                     \
			real = next(#name);                                    \
		return real args;                                              \
	}

/* The same, but it may also do half: `len` is a parameter. */
#define WRAP_HALF(ret, name, params, args, call, fd, len)                      \
	ret fault_##name params NAMED(#name);                                  \
	ret fault_##name params                                                \
	{                                                                      \
		static __typeof__(fault_##name) *real;                         \
		enum verdict v = verdict(FAULT_##call, fd, NULL);              \
                                                                               \
		if (v == FAIL)                                                 \
			return -1;                                             \
		if (v == HALF)                                                 \
			(len) = half(len);                                     \
		if (!real)                                                     \
			real = next(#name);                                    \
		return real args;                                              \
	}

static size_t half(size_t len)
{
	return len > 1 ? len / 2 : len;
}

/* Opening. */

static bool creates(uint64_t flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static enum fault_call open_call(uint64_t flags)
{
	return creates(flags) ? FAULT_CREATE : FAULT_OPEN;
}

static int do_open(int dirfd, const char *path, int flags, mode_t mode)
{
	static int (*real)(int, const char *, int, ...);

	if (fails(open_call((uint64_t)flags), dirfd, path))
		return -1;
	if (!real)
		real = next("openat");
	return real(dirfd, path, flags, mode);
}

static mode_t mode_of(int flags, va_list ap)
{
	return creates((uint64_t)flags) ? va_arg(ap, mode_t) : 0;
}

int fault_open(const char *path, int flags, ...) NAMED("open");

int fault_open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return do_open(AT_FDCWD, path, flags, mode);
}

int fault_openat(int fd, const char *path, int flags, ...) NAMED("openat");

int fault_openat(int fd, const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return do_open(fd, path, flags, mode);
}

int fault_open64(const char *path, int flags, ...) NAMED("open64")
	__attribute__((alias("open")));
int fault_openat64(int fd, const char *path, int flags, ...) NAMED("openat64")
	__attribute__((alias("openat")));

/* What a fortified build calls. */
int fault_open_2(const char *path, int flags) NAMED("__open_2");
int fault_openat_2(int fd, const char *path, int flags) NAMED("__openat_2");
int fault_open64_2(const char *path, int flags) NAMED("__open64_2")
	__attribute__((alias("__open_2")));
int fault_openat64_2(int fd, const char *path, int flags) NAMED("__openat64_2")
	__attribute__((alias("__openat_2")));

int fault_open_2(const char *path, int flags)
{
	return do_open(AT_FDCWD, path, flags, 0);
}

int fault_openat_2(int fd, const char *path, int flags)
{
	return do_open(fd, path, flags, 0);
}

WRAP(int, open_by_handle_at, (int fd, struct file_handle *h, int flags),
     (fd, h, flags), OPEN_HANDLE, fd, NULL)
WRAP(int, name_to_handle_at,
     (int fd, const char *name, struct file_handle *h, int *mount_id,
      int flags),
     (fd, name, h, mount_id, flags), NAME_HANDLE, fd, name)

static bool is_dup(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
}

int fault_fcntl(int fd, int cmd, ...) NAMED("fcntl");

int fault_fcntl(int fd, int cmd, ...)
{
	static int (*real)(int, int, ...);
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (is_dup(cmd) && fails(FAULT_DUP, fd, NULL))
		return -1;
	if (!real)
		real = next("fcntl");
	return real(fd, cmd, arg);
}

int fault_fcntl64(int fd, int cmd, ...) NAMED("fcntl64")
	__attribute__((alias("fcntl")));

/* Looking. */

WRAP(int, fstat, (int fd, struct stat *st), (fd, st), STAT, fd, NULL)
WRAP(int, stat, (const char *path, struct stat *st), (path, st), STAT, AT_FDCWD,
     path)
WRAP(int, lstat, (const char *path, struct stat *st), (path, st), STAT,
     AT_FDCWD, path)
WRAP(int, fstatat, (int fd, const char *path, struct stat *st, int flags),
     (fd, path, st, flags), STAT, fd, path)
WRAP(int, fstat64, (int fd, struct stat64 *st), (fd, st), STAT, fd, NULL)
WRAP(int, stat64, (const char *path, struct stat64 *st), (path, st), STAT,
     AT_FDCWD, path)
WRAP(int, lstat64, (const char *path, struct stat64 *st), (path, st), STAT,
     AT_FDCWD, path)
WRAP(int, fstatat64, (int fd, const char *path, struct stat64 *st, int flags),
     (fd, path, st, flags), STAT, fd, path)
WRAP(int, statx,
     (int fd, const char *path, int flags, unsigned mask, struct statx *sx),
     (fd, path, flags, mask, sx), STATX, fd, path)
WRAP(int, fstatvfs, (int fd, struct statvfs *st), (fd, st), STATFS, fd, NULL)
WRAP(int, fstatfs, (int fd, struct statfs *st), (fd, st), STATFS, fd, NULL)
WRAP(int, fstatfs64, (int fd, struct statfs64 *st), (fd, st), STATFS, fd, NULL)
WRAP(int, fstatvfs64, (int fd, struct statvfs64 *st), (fd, st), STATFS, fd,
     NULL)
WRAP(ssize_t, readlinkat, (int fd, const char *path, char *buf, size_t size),
     (fd, path, buf, size), READLINK, fd, path)

DIR *fault_fdopendir(int fd) NAMED("fdopendir");

DIR *fault_fdopendir(int fd)
{
	static DIR *(*real)(int);

	if (fails(FAULT_OPENDIR, fd, NULL))
		return NULL;
	if (!real)
		real = next("fdopendir");
	return real(fd);
}

struct dirent *fault_readdir(DIR *dir) NAMED("readdir");

struct dirent *fault_readdir(DIR *dir)
{
	static struct dirent *(*real)(DIR *);

	if (fails(FAULT_READDIR, dirfd(dir), NULL))
		return NULL;
	if (!real)
		real = next("readdir");
	return real(dir);
}

struct dirent *fault_readdir64(DIR *dir) NAMED("readdir64")
	__attribute__((alias("readdir")));

/* Data. */

WRAP(off_t, lseek, (int fd, off_t off, int whence), (fd, off, whence), LSEEK,
     fd, NULL)
WRAP(off64_t, lseek64, (int fd, off64_t off, int whence), (fd, off, whence),
     LSEEK, fd, NULL)
WRAP_HALF(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len), READ,
	  fd, len)
WRAP_HALF(ssize_t, pread, (int fd, void *buf, size_t len, off_t off),
	  (fd, buf, len, off), READ, fd, len)
WRAP_HALF(ssize_t, pread64, (int fd, void *buf, size_t len, off64_t off),
	  (fd, buf, len, off), READ, fd, len)
WRAP_HALF(ssize_t, preadv,
	  (int fd, const struct iovec *iov, int count, off_t off),
	  (fd, iov, count, off), READ, fd, count)
WRAP_HALF(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len),
	  WRITE, fd, len)
WRAP_HALF(ssize_t, pwrite, (int fd, const void *buf, size_t len, off_t off),
	  (fd, buf, len, off), WRITE, fd, len)
WRAP_HALF(ssize_t, pwrite64, (int fd, const void *buf, size_t len, off64_t off),
	  (fd, buf, len, off), WRITE, fd, len)
WRAP_HALF(ssize_t, pwritev,
	  (int fd, const struct iovec *iov, int count, off_t off),
	  (fd, iov, count, off), WRITE, fd, count)
WRAP_HALF(ssize_t, pwritev2,
	  (int fd, const struct iovec *iov, int count, off_t off, int flags),
	  (fd, iov, count, off, flags), WRITE, fd, count)
WRAP_HALF(ssize_t, copy_file_range,
	  (int in, off64_t *off_in, int out, off64_t *off_out, size_t len,
	   unsigned flags),
	  (in, off_in, out, off_out, len, flags), COPY_RANGE, out, len)
WRAP(int, ftruncate, (int fd, off_t len), (fd, len), TRUNCATE, fd, NULL)
WRAP(int, ftruncate64, (int fd, off64_t len), (fd, len), TRUNCATE, fd, NULL)
WRAP(int, fallocate, (int fd, int mode, off_t off, off_t len),
     (fd, mode, off, len), FALLOCATE, fd, NULL)
WRAP(int, fallocate64, (int fd, int mode, off64_t off, off64_t len),
     (fd, mode, off, len), FALLOCATE, fd, NULL)
WRAP(int, fsync, (int fd), (fd), SYNC, fd, NULL)
WRAP(int, fdatasync, (int fd), (fd), SYNC, fd, NULL)
WRAP(int, syncfs, (int fd), (fd), SYNC, fd, NULL)

int fault_ioctl(int fd, unsigned long cmd, ...) NAMED("ioctl");

int fault_ioctl(int fd, unsigned long cmd, ...)
{
	static int (*real)(int, unsigned long, ...);
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fails(cmd == FICLONE ? FAULT_CLONE : FAULT_IOCTL, fd, NULL))
		return -1;
	if (!real)
		real = next("ioctl");
	return real(fd, cmd, arg);
}

/* Names. */

WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode),
     MKDIR, fd, path)
WRAP(int, mknodat, (int fd, const char *path, mode_t mode, dev_t dev),
     (fd, path, mode, dev), MKNOD, fd, path)
WRAP(int, symlinkat, (const char *target, int fd, const char *path),
     (target, fd, path), SYMLINK, fd, path)
WRAP(int, linkat,
     (int from, const char *path, int to, const char *name, int flags),
     (from, path, to, name, flags), LINK, to, name)
WRAP(int, renameat, (int from, const char *path, int to, const char *name),
     (from, path, to, name), RENAME, to, name)
WRAP(int, renameat2,
     (int from, const char *path, int to, const char *name, unsigned flags),
     (from, path, to, name, flags), RENAME, to, name)
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags),
     UNLINK, fd, path)

/* Metadata. */

WRAP(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), CHOWN, fd,
     NULL)
WRAP(int, fchownat, (int fd, const char *path, uid_t uid, gid_t gid, int flags),
     (fd, path, uid, gid, flags), CHOWN, fd, path)
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), CHMOD, AT_FDCWD,
     path)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), CHMOD, fd, NULL)
WRAP(int, fchmodat, (int fd, const char *path, mode_t mode, int flags),
     (fd, path, mode, flags), CHMOD, fd, path)
WRAP(int, futimens, (int fd, const struct timespec t[2]), (fd, t), UTIMES, fd,
     NULL)
WRAP(int, utimensat,
     (int fd, const char *path, const struct timespec t[2], int flags),
     (fd, path, t, flags), UTIMES, fd, path)

WRAP(ssize_t, fgetxattr, (int fd, const char *name, void *buf, size_t size),
     (fd, name, buf, size), GETXATTR, fd, NULL)
WRAP(ssize_t, getxattr,
     (const char *path, const char *name, void *buf, size_t size),
     (path, name, buf, size), GETXATTR, AT_FDCWD, path)
WRAP(ssize_t, flistxattr, (int fd, char *buf, size_t size), (fd, buf, size),
     LISTXATTR, fd, NULL)
WRAP(ssize_t, listxattr, (const char *path, char *buf, size_t size),
     (path, buf, size), LISTXATTR, AT_FDCWD, path)
WRAP(int, fsetxattr,
     (int fd, const char *name, const void *buf, size_t size, int flags),
     (fd, name, buf, size, flags), SETXATTR, fd, NULL)
WRAP(int, setxattr,
     (const char *path, const char *name, const void *buf, size_t size,
      int flags),
     (path, name, buf, size, flags), SETXATTR, AT_FDCWD, path)
WRAP(int, fremovexattr, (int fd, const char *name), (fd, name), REMOVEXATTR, fd,
     NULL)
WRAP(int, removexattr, (const char *path, const char *name), (path, name),
     REMOVEXATTR, AT_FDCWD, path)

/* What libc has no function for. */

static bool raw_fails(long nr, const long *a)
{
	const struct open_how *how = (const void *)a[2];

	switch (nr) {
	case SYS_openat2:
		return fails(open_call(how->flags), (int)a[0],
			     (const char *)a[1]);
	case SYS_getdents64:
		return fails(FAULT_READDIR, (int)a[0], NULL);
	case SYS_getxattrat:
		return fails(FAULT_GETXATTR, (int)a[0], (const char *)a[1]);
	default:
		return false;
	}
}

long fault_syscall(long nr, ...) NAMED("syscall");

long fault_syscall(long nr, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!real)
		real = next("syscall");
	if (raw_fails(nr, a))
		return -1;
	return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
