/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * late - preloaded into a host's program that makes a device in a container,
 * which then has all the time it needs to do something to the new node: until
 * another file is there, or for LATE seconds.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES_A_SECOND 100

static void wait_for_another(int dir, const char *name)
{
	const char *seconds = getenv("LATE");
	int tries = seconds ? atoi(seconds) * TRIES_A_SECOND : 0;
	struct stat was, is;

	if (fstatat(dir, name, &was, AT_SYMLINK_NOFOLLOW))
		return;
	for (; tries > 0; tries--) {
		if (fstatat(dir, name, &is, AT_SYMLINK_NOFOLLOW) ||
		    is.st_dev != was.st_dev || is.st_ino != was.st_ino)
			return;
		usleep(1000000 / TRIES_A_SECOND);
	}
}

int mknodat(int fd, const char *path, mode_t mode, dev_t dev)
{
	int (*next)(int, const char *, mode_t, dev_t) =
		(int (*)(int, const char *, mode_t, dev_t))dlsym(RTLD_NEXT,
								 "mknodat");
	int r = next(fd, path, mode, dev);

	if (r == 0)
		wait_for_another(fd, path);
	return r;
}
