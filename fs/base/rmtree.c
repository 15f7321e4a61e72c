/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/rmtree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

/*
 * A descriptor for each level that is open at a time, so not for as many as
 * somebody else has made: a directory that lies deeper is moved up to the
 * first of its filesystem, which is gone through until nothing came to it.
 */
#define LEVELS 64u

struct top {
	int dir; /* the first directory of a filesystem */
	dev_t dev;
	unsigned named; /* names given to what was moved */
	bool moved;	/* since the pass through it began */
};

static int remove_one(int dirfd, const char *name, struct top *top,
		      unsigned depth);

static int move_up(int dirfd, const char *name, struct top *top)
{
	char to[32];

	do {
		snprintf(to, sizeof(to), ".deep-%u", top->named++);
		if (renameat(dirfd, name, top->dir, to) == 0) {
			top->moved = true;
			return 0;
		}
	} while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR);
	return -errno;
}

static int pass(DIR *d, struct top *top, unsigned depth)
{
	struct dirent *e;
	int r;

	rewinddir(d);
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = remove_one(dirfd(d), e->d_name, top, depth);
		if (r < 0)
			return r;
	}
	return -errno;
}

static int remove_below(int fd, struct top *top, unsigned depth)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct top own = { .dir = -1 };
	struct stat st;
	int r = fdio_opendir(fd, &d);

	if (r < 0)
		return r;
	r = fdio_stat(dirfd(d), &st);
	if (r < 0)
		return r;
	if (!top || st.st_dev != top->dev) {
		own = (struct top){ .dir = dirfd(d), .dev = st.st_dev };
		top = &own;
	}
	do {
		own.moved = false;
		r = pass(d, top, depth);
	} while (r == 0 && own.moved);
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by LEVELS */
static int remove_one(int dirfd, const char *name, struct top *top,
		      unsigned depth)
{
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth == LEVELS)
		return move_up(dirfd, name, top);
	r = remove_below(fdio_openat(dirfd, name, O_RDONLY | O_DIRECTORY, 0),
			 top, depth + 1);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		r = -errno;
	return r;
}

int rmtree_at(int dirfd, const char *name)
{
	return remove_one(dirfd, name, NULL, 0);
}
