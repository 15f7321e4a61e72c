/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncs - preloaded into a daemon: who waits for a whole filesystem, and so for
 * everybody who uses it, is noted in the file $SYNCS.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int syncfs(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "syncfs");
	const char *path = getenv("SYNCS");
	int note = path ? open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC,
			       0600)
			: -1;

	if (note >= 0) {
		if (write(note, "syncfs\n", 7) < 0)
			abort();
		close(note);
	}
	return next(fd);
}
