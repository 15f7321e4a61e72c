/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/upper.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/base/xattrio.h"
#include "fs/dirlayer.h"
#include "fs/lend.h"
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

	if (fdio_opendir(copy, &dir) < 0)
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
		int r;

		xattrs_use_user(user);
		r = xattrs_private_set(fd, XATTRS_IMPURE, "y", 1);
		if (r == 0)
			return xattrs_private_remove(fd, XATTRS_IMPURE);
		/* Not to be had, or not just now? */
		if (r != -EOPNOTSUPP && r != -EPERM && r != -EACCES)
			return r;
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

/*
 * A file whose last name went, but not its entry in the index: the entry
 * follows the name, and something came between.
 */
static void drop_orphan(int indexfd, const char *name)
{
	struct xattrs_record rec;
	struct stat st;

	if (fdio_statat(indexfd, name, &st) < 0 || !S_ISREG(st.st_mode) ||
	    xattrs_record_getat(indexfd, name, &rec) != 1 || !rec.indexed ||
	    (long)st.st_nlink + rec.link_delta > 0)
		return;
	if (unlinkat(indexfd, name, 0) < 0)
		log_warn("index/%s: %s", name, strerror(errno));
}

static void drop_orphans(struct upper *u)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int copy = fdio_openat(u->dirs.indexfd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct dirent *de;

	if (fdio_opendir(copy, &dir) < 0)
		return;
	while ((de = readdir(dir)) != NULL)
		drop_orphan(u->dirs.indexfd, de->d_name);
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
	drop_orphans(u);
	*out = u;
	return 0;
}

void upper_free(struct upper *u)
{
	if (!u)
		return;
	upper_sweep(u);
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

/* Making. */

int upper_make(struct upper *u, const struct stat *like, const char *target,
	       char tmp[UPPER_TMP_MAX])
{
	int workfd = u->dirs.workfd, r;
	mode_t type = like->st_mode & S_IFMT;

	upper_tmpname(u, tmp);
	if (type == S_IFREG)
		return fdio_openat(workfd, tmp, O_CREAT | O_EXCL | O_RDWR,
				   0600);
	if (type == S_IFLNK)
		r = symlinkat(target, workfd, tmp) < 0 ? -errno : 0;
	else if (type == S_IFDIR)
		r = mkdirat(workfd, tmp, 0700) < 0 ? -errno : 0;
	else
		r = mknodat(workfd, tmp, type | 0600, like->st_rdev) < 0
			    ? -errno
			    : 0;
	if (r < 0)
		return r;
	r = fdio_openat(workfd, tmp,
			type == S_IFDIR ? O_RDONLY | O_DIRECTORY : O_PATH, 0);
	if (r < 0)
		upper_discard(u, tmp);
	return r;
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
			return 0;
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
	return r;
}

int upper_retire_dir(struct upper *u, int dirfd, const char *name)
{
	char tmp[UPPER_TMP_MAX];

	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	upper_tmpname(u, tmp);
	if (renameat(dirfd, name, u->dirs.workfd, tmp) < 0)
		return -errno;
	upper_discard(u, tmp);
	return 0;
}

int upper_publish(struct upper *u, int fromfd, const char *tmp, bool is_dir,
		  const struct upper_place *to)
{
	unsigned flags = RENAME_NOREPLACE;

	(void)u;
	if (to->over_whiteout)
		flags = is_dir ? RENAME_EXCHANGE : 0;
	if (renameat2(fromfd, tmp, to->dirfd, to->name, flags) < 0)
		return -errno;
	if (flags == RENAME_EXCHANGE && unlinkat(fromfd, tmp, 0) < 0)
		log_warn("a used whiteout stays in work until the unmount: %s",
			 strerror(errno));
	return 0;
}

void upper_discard(struct upper *u, const char *tmp)
{
	int r = workdir_remove(u->dirs.workfd, tmp);

	if (r < 0)
		log_warn("work/%s stays until the unmount: %s", tmp,
			 strerror(-r));
}

int upper_sweep(struct upper *u)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int copy = fdio_openat(u->dirs.workfd, ".", O_RDONLY | O_DIRECTORY, 0);
	int r = fdio_opendir(copy, &dir);
	struct dirent *de;

	if (r < 0)
		return r;
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

static int sync_now(int fd, bool datasync)
{
	lend_take_back();
	return (datasync ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}

int upper_sync_data(const struct upper *u, int fd)
{
	return u->fsync == OPTIONS_FSYNC_NONE ? 0 : sync_now(fd, false);
}

int upper_sync_marks(const struct upper *u, int fd)
{
	return u->fsync != OPTIONS_FSYNC_STRICT ? 0 : sync_now(fd, false);
}

int upper_sync_dir(const struct upper *u, int dirfd)
{
	return upper_sync_marks(u, dirfd);
}

void upper_sync_names(const struct upper *u, int dirfd)
{
	int r = upper_sync_dir(u, dirfd);

	if (r < 0)
		log_error("a change may not outlive a power cut: %s",
			  strerror(-r));
}

int upper_sync_asked(const struct upper *u, int fd, bool datasync)
{
	return u->fsync == OPTIONS_FSYNC_NONE ? 0 : sync_now(fd, datasync);
}
