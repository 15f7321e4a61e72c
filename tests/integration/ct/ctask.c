/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctask - asks what a container is answered by others than its kernel, again
 * and again, and takes no error.
 *
 *	ctask MILLISECONDS
 *
 * /proc/meminfo and /proc/stat are read, sysinfo(2) and quotactl(2) on the root
 * called. "asked N" and 0; or what failed, and 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define ROOT_DEVICE "/dev/simfs"

static const char *const files[] = { "/proc/meminfo", "/proc/stat" };

static int read_file(const char *path)
{
	char text[16384];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	if (n == 0)
		errno = ENODATA;
	return n > 0 ? 0 : -1;
}

static int ask_numbers(void)
{
	struct sysinfo s;

	return sysinfo(&s);
}

static int ask_quota(void)
{
	struct dqblk q = { .dqb_valid = 0 };

	/* QCMD() shifts a signed number out of its range. */
	return quotactl((int)((unsigned)Q_GETQUOTA << SUBCMDSHIFT | USRQUOTA),
			ROOT_DEVICE, 0, (caddr_t)&q);
}

static int failed(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	long end = now_ms() + (argc > 1 ? atol(argv[1]) : 0);
	unsigned n = 0;

	do {
		for (unsigned i = 0; i < 2; i++)
			if (read_file(files[i]) < 0)
				return failed(files[i]);
		if (ask_numbers() < 0)
			return failed("sysinfo");
		if (ask_quota() < 0)
			return failed("quotactl");
		n++;
		nanosleep(&pause, NULL);
	} while (now_ms() < end);
	printf("asked %u\n", n);
	return 0;
}
