/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/flockwait.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/fdio.h"

/* A duplicate in another process may be the last: not all closing is told. */
#define PAUSE_MS 20u

/* Told of each that closes `fd`'s inode: a descriptor; -1 where it cannot. */
static int watch_closing(int fd)
{
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[FDIO_PROC_MAX];

	if (watch < 0 ||
	    inotify_add_watch(watch, fdio_proc(path, fd), IN_CLOSE) < 0)
		return -1;
	return TAKE_FD(watch);
}

/* Until somebody closes it, or for a moment. */
static void wait_for_close(int watch, uint64_t left)
{
	/* The kernel tells just before the lock goes. */
	const struct timespec soon = { .tv_nsec = 100 * (long)CLOCK_US };
	int ms = left < PAUSE_MS * CLOCK_MS ? (int)(left / CLOCK_MS) + 1
					    : (int)PAUSE_MS;
	struct pollfd p = { .fd = watch, .events = POLLIN };
	char events[1024];

	if (poll(&p, 1, ms) > 0 && read(watch, events, sizeof(events)) > 0)
		nanosleep(&soon, NULL);
}

int flockwait(int fd, int how, unsigned ms)
{
	uint64_t until = clock_now() + ms * CLOCK_MS;
	_cleanup_close_ int watch = -1;
	bool watched = false;

	while (flock(fd, how | LOCK_NB) < 0) {
		uint64_t now = clock_now();

		if (errno != EWOULDBLOCK)
			return -errno;
		if (now >= until)
			return -EBUSY;
		/* Watched, it is tried once more: it may be free by now. */
		if (watched)
			wait_for_close(watch, until - now);
		else
			watch = watch_closing(fd);
		watched = true;
	}
	return 0;
}
