/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procfd.h"

#include <fcntl.h>

#include "fs/proc/proctext.h"

/* No text of the kernel that we read is as long as this. */
#define TEXT_MAX ((size_t)64 << 20)
#define CHUNK 16384u

int procfd_read(int fd, struct strbuf *out)
{
	char chunk[CHUNK];
	ssize_t n;
	int r = 0;

	strbuf_clear(out);
	if (fd < 0)
		return -EBADF;
	do {
		n = pread(fd, chunk, sizeof(chunk), (off_t)out->len);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n < 0)
			r = -errno;
		else if (n > 0)
			r = out->len < TEXT_MAX
				    ? strbuf_add(out, chunk, (size_t)n)
				    : -EFBIG;
	} while (n > 0 && r == 0);
	if (r < 0)
		strbuf_clear(out);
	return r;
}

int procfd_read_at(int dir, const char *name, struct strbuf *out)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		strbuf_clear(out);
		return -errno;
	}
	return procfd_read(fd, out);
}

uint64_t procfd_number(int fd, uint64_t none)
{
	char text[64];
	ssize_t n;

	if (fd < 0)
		return none;
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return none;
	text[n] = '\0';
	return proctext_number(text, none);
}
