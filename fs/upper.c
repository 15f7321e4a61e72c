/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/upper.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/base/xattrio.h"
#include "fs/dirlayer.h"
#include "fs/xattrs.h"

#define WHITEOUT "whiteout" /* in work: what all whiteouts are links of */

struct upper {
	struct workdir dirs;
	struct layer *layer;
	enum options_fsync fsync;
	_Atomic unsigned counter;
};

/* Set-up. */

static bool is_empty(int fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int copy = fdio_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct dirent *de;

	dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return false;
	while ((de = readdir(dir)) != NULL) {
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			return false;
	}
	return true;
}

/* Use the family of attributes that we may write. */
static int probe_xattrs(int fd)
{
	for (int user = xattrs_uses_user(); user < 2; user++) {
		xattrs_use_user(user);
		if (xattrs_private_set(fd, XATTRS_IMPURE, "y", 1) == 0) {
			xattrs_private_remove(fd, XATTRS_IMPURE);
			return 0;
		}
	}
	xattrs_use_user(false);
	return -EOPNOTSUPP;
}

/* Can a rename leave a whiteout behind, in one step? */
static int probe_whiteout(struct upper *u)
{
	char from[UPPER_TMP_MAX], to[UPPER_TMP_MAX];
	int fd = u->dirs.workfd, r = 0;

	upper_tmpname(u, from);
	upper_tmpname(u, to);
	/* Another process's, whom we take over from. */
	workdir_remove(fd, from);
	workdir_remove(fd, to);
	if (mknodat(fd, from, S_IFREG | 0600, 0) < 0)
		return -errno;
	if (renameat2(fd, from, fd, to, RENAME_WHITEOUT) < 0)
		r = -errno;
	unlinkat(fd, to, 0);
	unlinkat(fd, from, 0);
	return r == -EINVAL ? -EOPNOTSUPP : r;
}

/* What the filesystem must be able to do. */
static int probe(struct upper *u, char *err, size_t errlen)
{
	const char *what = "extended attributes (trusted.* or user.*)";
	int r = probe_xattrs(u->dirs.workfd);

	if (r == 0) {
		what = "whiteouts (RENAME_WHITEOUT)";
		r = probe_whiteout(u);
	}
	if (r == -EOPNOTSUPP)
		snprintf(err, errlen,
			 "the upper directory's filesystem has no %s; use one "
			 "that has: ext4, xfs, btrfs, tmpfs",
			 what);
	else if (r < 0)
		snprintf(err, errlen, "the work directory: %s", strerror(-r));
	return r;
}

/*
 * A fresh upper says that ".wh." names in it are plain names; one that other
 * programs filled before is read their way.
 */
static void mark_format(struct upper *u)
{
	int fd = u->dirs.upperfd;

	if (xattrs_is_marked(fd) || !is_empty(fd))
		return;
	if (xattrs_private_set(fd, XATTRS_FORMAT, "1", 1) == 0)
		dirlayer_set_wh_names(u->layer, false);
}

int upper_new(struct upper **out, struct workdir *w, enum options_fsync fsync,
	      struct fdcache *fds, char *err, size_t errlen)
{
	struct upper *u = calloc(1, sizeof(*u));
	struct dirlayer_config cfg = { .index = REF_UPPER, .fds = fds };
	int r;

	if (!u) {
		workdir_close(w);
		return -ENOMEM;
	}
	u->dirs = *w;
	u->fsync = fsync;
	*w = WORKDIR_NONE;
	r = probe(u, err, errlen);
	if (r == 0) {
		cfg.rootfd = u->dirs.layerfd;
		if (cfg.rootfd < 0)
			cfg.rootfd = fcntl(u->dirs.upperfd, F_DUPFD_CLOEXEC, 0);
		r = cfg.rootfd < 0 ? -errno : 0;
		if (r >= 0)
			r = dirlayer_new(&u->layer, &cfg, err, errlen);
		if (r < 0) {
			if (cfg.rootfd >= 0)
				close(cfg.rootfd);
			snprintf(err, errlen, "upper directory: %s",
				 strerror(-r));
		}
	}
	if (r < 0) {
		upper_free(u);
		return r;
	}
	mark_format(u);
	*out = u;
	return 0;
}

void upper_free(struct upper *u)
{
	if (!u)
		return;
	workdir_remove(u->dirs.workfd, WHITEOUT);
	workdir_close(&u->dirs);
	free(u);
}

struct layer *upper_layer(const struct upper *u)
{
	return u->layer;
}

void upper_fds(const struct upper *u, int fds[WORKDIR_FDS])
{
	fds[0] = u->dirs.upperfd;
	fds[1] = u->dirs.workfd;
	fds[2] = u->dirs.indexfd;
	fds[3] = u->dirs.lockfd;
	fds[4] = dirlayer_rootfd(u->layer);
}

int upper_workfd(const struct upper *u)
{
	return u->dirs.workfd;
}

int upper_indexfd(const struct upper *u)
{
	return u->dirs.indexfd;
}

const char *upper_tmpname(struct upper *u, char buf[UPPER_TMP_MAX])
{
	snprintf(buf, UPPER_TMP_MAX, "t%x", atomic_fetch_add(&u->counter, 1));
	return buf;
}

/* Whiteouts. */

static int whiteout_make(struct upper *u)
{
	char tmp[UPPER_TMP_MAX];
	int fd = u->dirs.workfd;

	upper_tmpname(u, tmp);
	if (mknodat(fd, tmp, S_IFCHR, 0) < 0)
		return -errno;
	if (renameat(fd, tmp, fd, WHITEOUT) < 0) {
		int r = -errno;

		unlinkat(fd, tmp, 0);
		return r;
	}
	return 0;
}

int upper_whiteout(struct upper *u, int dirfd, const char *name)
{
	for (int tries = 0; tries < 8; tries++) {
		int r;

		if (linkat(u->dirs.workfd, WHITEOUT, dirfd, name, 0) == 0)
			return upper_sync_dir(u, dirfd);
		if (errno != ENOENT && errno != EMLINK)
			break;
		r = whiteout_make(u);
		if (r < 0)
			return r;
	}
	if (errno == EEXIST)
		return -errno;
	/* A filesystem without hard links. */
	return mknodat(dirfd, name, S_IFCHR, 0) < 0 ? -errno : 0;
}

static int whiteout_tmp(struct upper *u, char tmp[UPPER_TMP_MAX])
{
	return upper_whiteout(u, u->dirs.workfd, upper_tmpname(u, tmp));
}

int upper_cover(struct upper *u, int dirfd, const char *name, bool is_dir)
{
	char tmp[UPPER_TMP_MAX];
	int r = whiteout_tmp(u, tmp);

	if (r < 0)
		return r;
	if (renameat2(u->dirs.workfd, tmp, dirfd, name,
		      is_dir ? RENAME_EXCHANGE : 0) < 0)
		r = -errno;
	if (r < 0 || is_dir)
		upper_discard(u, tmp);
	return r < 0 ? r : upper_sync_dir(u, dirfd);
}

int upper_retire_dir(struct upper *u, int dirfd, const char *name)
{
	char tmp[UPPER_TMP_MAX];

	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return upper_sync_dir(u, dirfd);
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	upper_tmpname(u, tmp);
	if (renameat(dirfd, name, u->dirs.workfd, tmp) < 0)
		return -errno;
	upper_discard(u, tmp);
	return upper_sync_dir(u, dirfd);
}

int upper_publish(struct upper *u, int fromfd, const char *tmp, bool is_dir,
		  const struct upper_place *to)
{
	unsigned flags = RENAME_NOREPLACE;

	if (to->over_whiteout)
		flags = is_dir ? RENAME_EXCHANGE : 0;
	if (renameat2(fromfd, tmp, to->dirfd, to->name, flags) < 0)
		return -errno;
	if (flags == RENAME_EXCHANGE && unlinkat(fromfd, tmp, 0) < 0)
		log_warn("a used whiteout stays in work until the next mount: "
			 "%s",
			 strerror(errno));
	return upper_sync_dir(u, to->dirfd);
}

void upper_discard(struct upper *u, const char *tmp)
{
	int r = workdir_remove(u->dirs.workfd, tmp);

	if (r < 0)
		log_warn("work/%s stays until the next mount: %s", tmp,
			 strerror(-r));
}

int upper_sweep(struct upper *u)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int copy = fdio_openat(u->dirs.workfd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct dirent *de;

	if (copy < 0)
		return copy;
	dir = fdopendir(copy);
	if (!dir) {
		close(copy);
		return -ENOMEM;
	}
	while ((de = readdir(dir)) != NULL) {
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") &&
		    strcmp(de->d_name, WHITEOUT))
			upper_discard(u, de->d_name);
	}
	return 0;
}

/* Scratch directories. */

static int mimic(int fd, int dirfd, const struct stat *like)
{
	_cleanup_free_ char *acl = NULL;
	ssize_t n = xattrio_dup(dirfd, "system.posix_acl_default", &acl);

	if (n > 0) {
		int r = xattrio_set(fd, "system.posix_acl_default", acl,
				    (size_t)n, 0);

		if (r < 0)
			return r;
	}
	if (fchown(fd, 0, like->st_gid) < 0 ||
	    fchmod(fd, 0700 | (like->st_mode & S_ISGID)) < 0)
		return -errno;
	return 0;
}

int upper_scratch(struct upper *u, int dirfd, char tmp[UPPER_TMP_MAX])
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t acl = xattrio_get(dirfd, "system.posix_acl_default", NULL, 0);
	int r;

	tmp[0] = '\0';
	if (fstat(dirfd, &st) < 0)
		return -errno;
	if (acl <= 0 && !(st.st_mode & S_ISGID)) {
		fd = fcntl(u->dirs.workfd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : TAKE_FD(fd);
	}
	upper_tmpname(u, tmp);
	if (mkdirat(u->dirs.workfd, tmp, 0700) < 0)
		return -errno;
	fd = fdio_openat(u->dirs.workfd, tmp, O_RDONLY | O_DIRECTORY, 0);
	r = fd < 0 ? fd : mimic(fd, dirfd, &st);
	if (r < 0) {
		upper_discard(u, tmp);
		return r;
	}
	return TAKE_FD(fd);
}

void upper_scratch_end(struct upper *u, const char *tmp)
{
	if (tmp[0])
		upper_discard(u, tmp);
}

/* Durability. */

int upper_sync_data(const struct upper *u, int fd)
{
	if (u->fsync == OPTIONS_FSYNC_NONE)
		return 0;
	return fsync(fd) < 0 ? -errno : 0;
}

int upper_sync_dir(const struct upper *u, int dirfd)
{
	if (u->fsync != OPTIONS_FSYNC_STRICT)
		return 0;
	return fsync(dirfd) < 0 ? -errno : 0;
}

int upper_sync_asked(const struct upper *u, int fd, bool datasync)
{
	if (u->fsync == OPTIONS_FSYNC_NONE)
		return 0;
	return (datasync ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}
