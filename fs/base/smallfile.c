/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/smallfile.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

int smallfile_read(int dir, const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = fdio_openat(dir, name, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = fdio_pread_full(fd, text, size - 1, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int smallfile_add(int fd, size_t max, struct strbuf *out)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int file = -1;
	struct stat st;
	ssize_t n;
	int r = fdio_stat(fd, &st);

	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (!S_ISREG(st.st_mode))
		return -EUCLEAN;
	if (st.st_size > (off_t)max)
		return -EFBIG;
	file = fdio_reopen(fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (file < 0)
		return file;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	n = fdio_pread_full(file, text, (size_t)st.st_size, 0);
	return n < 0 ? (int)n : strbuf_add(out, text, (size_t)n);
}

static int replace(int dir, const char *name, const char *text, bool sync)
{
	_cleanup_close_ int fd = -1;
	size_t len = strlen(text);
	char temp[64];
	ssize_t n;

	snprintf(temp, sizeof(temp), "%s.new", name);
	fd = openat(dir, temp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	n = fdio_pwrite_full(fd, text, len, 0);
	if (n < 0)
		return (int)n;
	if ((size_t)n < len)
		return -ENOSPC;
	if ((sync && fsync(fd) < 0) || renameat(dir, temp, dir, name) < 0 ||
	    (sync && fsync(dir) < 0))
		return -errno;
	return 0;
}

int smallfile_write(int dir, const char *name, const char *text)
{
	return replace(dir, name, text, true);
}

int smallfile_put(int dir, const char *name, const char *text)
{
	return replace(dir, name, text, false);
}
