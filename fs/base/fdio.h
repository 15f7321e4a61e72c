/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_FDIO_H
#define VEFS_FS_BASE_FDIO_H

/*
 * fdio - reading, writing and reopening by file descriptor.
 *
 * All functions return 0, a count or a descriptor, or -errno.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Room for "/proc/self/fd/N". */
#define FDIO_PROC_MAX 32

/*
 * The path that names an open descriptor itself, O_PATH ones and those of a
 * symlink included: system calls that know no descriptors act on exactly
 * that inode. Writes into and returns `buf`.
 */
const char *fdio_proc(char buf[FDIO_PROC_MAX], int fd);

/*
 * First in a program: 0, 1 and 2 are open, on /dev/null where our starter had
 * them closed, or what is opened next would be taken for them. They stay open
 * in what is executed. 0 or -errno.
 */
int fdio_keep_stdio(void);

/* Open the inode behind `fd` anew with `flags`; O_CLOEXEC is added. */
int fdio_reopen(int fd, int flags);

/*
 * Open a directory for reading, below a private copy of the mount it is in:
 * who has it open keeps nobody from unmounting that. Without the rights to copy
 * mounts it is opened as it is.
 */
int fdio_open_apart(const char *path);

/*
 * Open `name`, one component, below the directory `dirfd`: never through a
 * symlink, a mount or a "..". O_CLOEXEC and O_NOFOLLOW are added.
 */
int fdio_openat(int dirfd, const char *name, int flags, mode_t mode);

/*
 * The same for a relative path of several components, no symlink in any of
 * them and no way out of `dirfd`. It may be longer than PATH_MAX, and is then
 * opened piece by piece: a ".." that leads out of a piece is -EXDEV, as if it
 * led out of `dirfd`.
 */
int fdio_open_beneath(int dirfd, const char *path, int flags);

/*
 * openat2(2) with `resolve`, RESOLVE_BENEATH or RESOLVE_IN_ROOT and whatever
 * else, of a path that may have a ".." or symlinks; O_CLOEXEC is added. -EAGAIN,
 * which the kernel says while something is renamed elsewhere, only after a
 * second of tries.
 */
int fdio_resolve(int dirfd, const char *path, int flags, uint64_t resolve);

/*
 * A stream of the directory that `fd` has open, for closedir(); `fd` is its
 * own from then on, and closed after an error. A negative `fd` is the error
 * of opening it, and is returned: open and this may stand in one call. 0 or
 * -errno.
 */
int fdio_opendir(int fd, DIR **out);

/*
 * All `len` bytes at `off`, or as many as there are before the end: less than
 * `len` always means the end. -errno whatever was read before.
 */
ssize_t fdio_pread_full(int fd, void *buf, size_t len, off_t off);

/*
 * All `len` bytes at `off`. Returns `len`, or the count that went in before
 * an error if that is not 0, or -errno.
 */
ssize_t fdio_pwrite_full(int fd, const void *buf, size_t len, off_t off);

/* The same by pwritev2(2): `sync` is 0, RWF_DSYNC or RWF_SYNC. */
ssize_t fdio_pwrite_sync(int fd, const void *buf, size_t len, off_t off,
			 int sync);

/* fstat of what a descriptor names, O_PATH allowed. */
int fdio_stat(int fd, struct stat *st);

/* chmod of what a descriptor names, O_PATH allowed. 0 or -errno. */
int fdio_chmod(int fd, mode_t mode);

/* lstat of `name` in `dirfd`. */
int fdio_statat(int dirfd, const char *name, struct stat *st);

/* Does `name` exist in `dirfd`? 1, 0 or -errno. */
int fdio_exists(int dirfd, const char *name);

#endif
