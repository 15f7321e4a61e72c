/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/workdir.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/flockwait.h"

/* What may stand in a work directory: ours, and the kernel overlayfs's. */
static const char *const known[] = { "work", "index", "incompat" };

/* Removing. */

static int remove_children(int fd);

int workdir_remove(int dirfd, const char *name)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	fd = fdio_openat(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = remove_children(fd);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_children(int fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int copy = fdio_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	int r = fdio_opendir(copy, &dir);
	struct dirent *de;

	while (r == 0 && (errno = 0, de = readdir(dir)) != NULL) {
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			r = workdir_remove(fd, de->d_name);
	}
	return r;
}

/* Opening. */

static int say(char *err, size_t errlen, int r, const char *what,
	       const char *path, const char *why)
{
	snprintf(err, errlen, "%s '%s': %s", what, path,
		 why ? why : strerror(-r));
	return r;
}

static uint64_t mount_id(const char *path)
{
	struct statx sx;

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &sx) < 0)
		return 0;
	return sx.stx_mnt_id;
}

/* The length of the longest directory prefix that both paths share. */
static size_t common_prefix(const char *a, const char *b)
{
	size_t last = 0, i = 0;

	for (; a[i] && a[i] == b[i]; i++) {
		if (a[i] == '/')
			last = i;
	}
	if ((!a[i] || a[i] == '/') && (!b[i] || b[i] == '/'))
		last = i;
	return last;
}

static int open_pair(struct workdir *w, char *upper, char *work)
{
	size_t n = common_prefix(upper, work);
	_cleanup_close_ int common = -1;
	char *up = upper + n, *wk = work + n;
	char saved;

	if (!*up || !*wk)
		return -EINVAL;
	saved = upper[n];
	upper[n] = '\0';
	if (mount_id(upper[0] ? upper : "/") != mount_id(work))
		common = -EXDEV;
	else
		common = fdio_open_apart(upper[0] ? upper : "/");
	upper[n] = saved;
	if (common < 0)
		return common;
	up += *up == '/';
	wk += *wk == '/';
	w->upperfd = fdio_open_beneath(common, up, O_RDONLY | O_DIRECTORY);
	if (w->upperfd < 0)
		return w->upperfd;
	w->lockfd = fdio_open_beneath(common, wk, O_RDONLY | O_DIRECTORY);
	return w->lockfd < 0 ? w->lockfd : 0;
}

static int check_foreign(int fd, char *name, size_t len)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int copy = fdio_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	int r = fdio_opendir(copy, &dir);
	struct dirent *de;

	if (r < 0)
		return r;
	while ((de = readdir(dir)) != NULL) {
		bool ours = !strcmp(de->d_name, ".") ||
			    !strcmp(de->d_name, "..");

		for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
			ours = ours || !strcmp(de->d_name, known[i]);
		if (!ours) {
			snprintf(name, len, "%s", de->d_name);
			return -ENOTEMPTY;
		}
	}
	return 0;
}

static int open_sub(int dirfd, const char *name, bool empty)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = fdio_openat(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	/* What is made in it must inherit nothing from whoever made WORK. */
	if (fchmod(fd, 0700) < 0)
		return -errno;
	if (fremovexattr(fd, "system.posix_acl_default") < 0 &&
	    errno != ENODATA && errno != EOPNOTSUPP)
		return -errno;
	r = empty ? remove_children(fd) : 0;
	return r < 0 ? r : TAKE_FD(fd);
}

static int fill(struct workdir *w, const char *work, char *err, size_t errlen)
{
	char name[NAME_MAX + 1], why[NAME_MAX + 64];
	struct stat a, b;
	int r;

	if (fstat(w->upperfd, &a) < 0 || fstat(w->lockfd, &b) < 0)
		return say(err, errlen, -errno, "work directory", work, NULL);
	if (a.st_dev != b.st_dev)
		return say(err, errlen, -EXDEV, "work directory", work,
			   "must be on the same filesystem as the upper "
			   "directory");
	if (flockwait(w->upperfd, LOCK_EX, FLOCKWAIT_ENDING) < 0 ||
	    flockwait(w->lockfd, LOCK_EX, FLOCKWAIT_ENDING) < 0)
		return say(err, errlen, -EBUSY, "work directory", work,
			   "it or its upper directory is in use by another "
			   "mount; unmount that one, or use others");
	r = check_foreign(w->lockfd, name, sizeof(name));
	if (r == -ENOTEMPTY) {
		snprintf(why, sizeof(why),
			 "holds '%s', which is not ours; give an empty "
			 "directory",
			 name);
		return say(err, errlen, r, "work directory", work, why);
	}
	if (r == 0)
		r = w->workfd = open_sub(w->lockfd, "work", true);
	if (r >= 0)
		r = w->indexfd = open_sub(w->lockfd, "index", false);
	if (r < 0)
		return say(err, errlen, r, "work directory", work, NULL);
	return 0;
}

int workdir_open(struct workdir *out, const char *upper, const char *work,
		 char *err, size_t errlen)
{
	char up[PATH_MAX], wk[PATH_MAX];
	struct workdir w = WORKDIR_NONE;
	int r;

	if (!realpath(upper, up))
		return say(err, errlen, -errno, "upper directory", upper, NULL);
	if (!realpath(work, wk))
		return say(err, errlen, -errno, "work directory", work, NULL);
	r = open_pair(&w, up, wk);
	if (r == -EINVAL)
		say(err, errlen, r, "work directory", work,
		    "must not be the upper directory, nor lie in it or "
		    "around it");
	else if (r == -EXDEV)
		say(err, errlen, r, "work directory", work,
		    "must be in the same filesystem and mount as the upper "
		    "directory");
	else if (r < 0)
		say(err, errlen, r,
		    w.upperfd < 0 ? "upper directory" : "work directory",
		    w.upperfd < 0 ? upper : work, NULL);
	else
		r = fill(&w, work, err, errlen);
	if (r < 0) {
		workdir_close(&w);
		return r;
	}
	*out = w;
	return 0;
}

void workdir_close(struct workdir *w)
{
	int *const fds[] = { &w->upperfd, &w->workfd, &w->indexfd, &w->lockfd };

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
