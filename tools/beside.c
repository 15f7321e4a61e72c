/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/beside.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_OURS 64

/* Is this program at `path`, or was it only called so where it came from? */
static bool is_here(const char *path)
{
	struct stat here, own;

	return !stat(path, &here) && !stat("/proc/self/exe", &own) &&
	       here.st_dev == own.st_dev && here.st_ino == own.st_ino;
}

int beside_find(const char *name, char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - NAME_MAX_OURS);
	const char *dir = getenv(BESIDE_ENV);
	char *slash;

	if (n < 0)
		return -errno;
	path[n] = '\0';
	if (dir && !is_here(path) &&
	    snprintf(path, PATH_MAX - NAME_MAX_OURS, "%s/", dir) >=
		    PATH_MAX - NAME_MAX_OURS)
		return -ENAMETOOLONG;
	slash = strrchr(path, '/');
	snprintf(slash + 1, NAME_MAX_OURS, "%s", name);
	if (access(path, X_OK) < 0)
		snprintf(path, PATH_MAX, "/sbin/%s", name);
	return 0;
}
