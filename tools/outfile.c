/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/outfile.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"

#define LINKS_MAX 40

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Where `path` leads by links of its last name, whether it is there or not. */
static int follow(const char *path, char to[PATH_MAX])
{
	char link[PATH_MAX];

	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(to, path, strlen(path) + 1);
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		ssize_t n = readlink(to, link, sizeof(link));
		size_t at;

		if (n < 0)
			return errno == EINVAL || errno == ENOENT ? 0 : -errno;
		at = link[0] == '/' ? 0 : (size_t)(last_name(to) - to);
		if (at + (size_t)n >= PATH_MAX)
			return -ENAMETOOLONG;
		memcpy(to + at, link, (size_t)n);
		to[at + (size_t)n] = '\0';
	}
	return -ELOOP;
}

/* o->dir and o->name of `path`. */
static int find_place(struct outfile *o, const char *path)
{
	char to[PATH_MAX];
	char *name;
	size_t len;
	int r = follow(path, to);

	if (r < 0)
		return r;
	name = to + (last_name(to) - to);
	len = strlen(name);
	if (!len || len > NAME_MAX)
		return len ? -ENAMETOOLONG : -EISDIR;
	memcpy(o->name, name, len + 1);
	*name = '\0';
	o->dir = open(*to ? to : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return o->dir < 0 ? -errno : 0;
}

/* Is `st` what has our name? A link of /proc may have said anything. */
static bool is_there(const struct outfile *o, const struct stat *st)
{
	struct stat found;

	return fstatat(o->dir, o->name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	       found.st_dev == st->st_dev && found.st_ino == st->st_ino;
}

static int make_temp(struct outfile *o)
{
	snprintf(o->temp, sizeof(o->temp), "%.200s.new-%d", o->name, getpid());
	o->fd = openat(o->dir, o->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		       0600);
	if (o->fd >= 0)
		return 0;
	o->temp[0] = '\0';
	return -errno;
}

int outfile_open(struct outfile *o, const char *path)
{
	_cleanup_close_ int old = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int r;

	*o = (struct outfile)OUTFILE_NONE;
	if ((old < 0 && errno != ENOENT) || (old >= 0 && fstat(old, &st) < 0))
		return -errno;
	if (old >= 0 && !S_ISREG(st.st_mode)) {
		o->fd = TAKE_FD(old);
		return 0;
	}
	r = find_place(o, path);
	if (r == 0 && old >= 0 && !is_there(o, &st))
		r = -ESTALE;
	if (r == 0)
		r = make_temp(o);
	if (r < 0) {
		outfile_free(o);
		return r;
	}
	/* only with its owner: the mode's bits would be for others */
	if (old >= 0 && fchown(o->fd, st.st_uid, st.st_gid) == 0)
		fchmod(o->fd, st.st_mode & 07777);
	return 0;
}

int outfile_finish(struct outfile *o)
{
	if (o->dir >= 0 && fsync(o->fd) < 0)
		return -errno;
	if (close(TAKE_FD(o->fd)) < 0)
		return -errno;
	if (o->dir >= 0 && renameat(o->dir, o->temp, o->dir, o->name) < 0)
		return -errno;
	o->temp[0] = '\0';
	outfile_free(o);
	return 0;
}

void outfile_free(struct outfile *o)
{
	int saved = errno;

	if (o->fd >= 0)
		close(o->fd);
	if (o->temp[0])
		unlinkat(o->dir, o->temp, 0);
	if (o->dir >= 0)
		close(o->dir);
	*o = (struct outfile)OUTFILE_NONE;
	errno = saved;
}
