/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/beside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_OURS 64

int beside_find(const char *name, char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - NAME_MAX_OURS);
	char *slash;

	if (n < 0)
		return -errno;
	path[n] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash + 1, NAME_MAX_OURS, "%s", name);
	if (access(path, X_OK) < 0)
		snprintf(path, PATH_MAX, "/sbin/%s", name);
	return 0;
}
