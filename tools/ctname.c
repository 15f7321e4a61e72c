/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctname.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tools/containerpriv.h"

#define FOLDER "names"

static int open_names(int store, bool create)
{
	if (create && mkdirat(store, FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	return fdio_openat(store, FOLDER, O_RDONLY | O_DIRECTORY, 0);
}

static int read_name(int dir, const char *name, char id[CONTAINER_ID_MAX + 1])
{
	ssize_t n = readlinkat(dir, name, id, CONTAINER_ID_MAX + 1);

	if (n < 0)
		return -errno;
	if (n == 0 || n > (ssize_t)CONTAINER_ID_MAX)
		return -EUCLEAN;
	id[n] = '\0';
	/* It becomes a part of a path. */
	return container_check_id(id, NULL) < 0 ? -EUCLEAN : 0;
}

int ctname_find(int store, const char *name, char id[CONTAINER_ID_MAX + 1])
{
	_cleanup_close_ int dir = open_names(store, false);
	char found[CONTAINER_ID_MAX + 1];
	int r = dir;

	if (container_check_id(name, NULL) < 0)
		return -ENOENT;
	if (r >= 0)
		r = read_name(dir, name, found);
	if (r == 0)
		memcpy(id, found, sizeof(found));
	return r;
}

/* Call for each name of a container. */
static int each_name(int store, const char *id,
		     int (*fn)(void *ctx, int dir, const char *name), void *ctx)
{
	_cleanup_closedir_ DIR *d = NULL;
	char whose[CONTAINER_ID_MAX + 1];
	int dir = open_names(store, false);
	int r = dir == -ENOENT ? 0 : fdio_opendir(dir, &d);
	struct dirent *de;

	if (!d)
		return r;
	while (r == 0 && (errno = 0, de = readdir(d)))
		if (de->d_name[0] != '.' &&
		    read_name(dir, de->d_name, whose) == 0 &&
		    strcmp(whose, id) == 0)
			r = fn(ctx, dir, de->d_name);
	return r;
}

static int give_name(void *ctx, int dir, const char *name)
{
	size_t len = strlen(name);

	(void)dir;
	if (len > CONTAINER_ID_MAX)
		return 0;
	memcpy(ctx, name, len + 1);
	return 1;
}

int ctname_of(int store, const char *id, char name[CONTAINER_ID_MAX + 1])
{
	int r = each_name(store, id, give_name, name);

	if (r == 0)
		return -ENOENT;
	return r < 0 ? r : 0;
}

static bool is_container(int store, const char *id)
{
	_cleanup_close_ int folder = fdio_openat(store, CONTAINERPRIV_FOLDER,
						 O_RDONLY | O_DIRECTORY, 0);

	return folder >= 0 && fdio_exists(folder, id) > 0;
}

int ctname_take(int store, const char *name, const char *id, struct why *why)
{
	_cleanup_close_ int dir = open_names(store, true);
	char whose[CONTAINER_ID_MAX + 1];
	int r = dir;

	if (r >= 0)
		r = read_name(dir, name, whose);
	if (r == 0 && strcmp(whose, id) == 0)
		return 0;
	if (is_container(store, name) || (r == 0 && is_container(store, whose)))
		return why_set(why, -EEXIST,
			       "the name %s is that of container %s already",
			       name, r == 0 ? whose : name);
	if (r < 0 && r != -ENOENT && r != -EUCLEAN)
		return why_sys(why, r, FOLDER "/%s", name);
	if (r != -ENOENT && unlinkat(dir, name, 0) < 0)
		return why_sys(why, -errno, FOLDER "/%s", name);
	if (symlinkat(id, dir, name) < 0)
		return why_sys(why, -errno, FOLDER "/%s", name);
	return 0;
}

static int drop_name(void *ctx, int dir, const char *name)
{
	const char *keep = ctx;

	if (keep && strcmp(keep, name) == 0)
		return 0;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int ctname_release(int store, const char *id, const char *keep)
{
	return each_name(store, id, drop_name, (char *)keep);
}
