/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/rmtree.h"

#include <fcntl.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

static int remove_below(int fd, unsigned depth)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *e;
	int r = fdio_opendir(fd, &d);

	if (r < 0)
		return r;
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = rmtree_at(dirfd(d), e->d_name, depth);
		if (r < 0)
			return r;
	}
	return -errno;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by `depth` */
int rmtree_at(int dirfd, const char *name, unsigned depth)
{
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (!depth)
		return -ELOOP;
	r = remove_below(fdio_openat(dirfd, name, O_RDONLY | O_DIRECTORY, 0),
			 depth - 1);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		r = -errno;
	return r;
}
