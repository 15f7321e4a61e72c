/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/copydata.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/lend.h"

#define CHUNK (1 << 20)
#define SMALL 65536 /* not worth more system calls than a read and a write */

/* Not here, not between these two: try the next way. */
static bool is_refusal(int err)
{
	return err == EXDEV || err == EOPNOTSUPP || err == EINVAL ||
	       err == ENOSYS || err == ENOTTY || err == ETXTBSY || err == EBADF;
}

static int copy_by_hand(int from, int to, off_t off, off_t end)
{
	_cleanup_free_ char *buf =
		malloc(end - off < CHUNK ? (size_t)(end - off) : CHUNK);

	if (!buf)
		return -ENOMEM;
	while (off < end) {
		size_t want = end - off < CHUNK ? (size_t)(end - off) : CHUNK;
		ssize_t n = fdio_pread_full(from, buf, want, off), w;

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO; /* the lower shrank under us */
		w = fdio_pwrite_full(to, buf, (size_t)n, off);
		if (w < 0)
			return (int)w;
		off += w; /* if that is not all, the next one says why */
	}
	return 0;
}

static int copy_extent(int from, int to, off_t off, off_t end)
{
	while (off < end) {
		off_t in = off, out = off;
		ssize_t n = copy_file_range(from, &in, to, &out,
					    (size_t)(end - off), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !is_refusal(errno))
			return -errno;
		if (n <= 0)
			return copy_by_hand(from, to, off, end);
		off += n;
	}
	return 0;
}

/* 1: the two filesystems, or this one, cannot share blocks. */
static int clone(int from, int to, off_t size)
{
	if (size <= SMALL || ioctl(to, FICLONE, from) < 0)
		return 1;
	return ftruncate(to, size) < 0 ? -errno : 0;
}

/* No holes to keep? */
static bool is_dense(int from, off_t size)
{
	struct stat st;

	return fdio_stat(from, &st) == 0 && st.st_blocks * 512 >= size;
}

/*
 * The next data from `off` on, if there is any. Where that cannot be told all
 * is data.
 */
static bool next_data(int from, off_t off, off_t size, off_t *data, off_t *end)
{
	*end = size;
	*data = lseek(from, off, SEEK_DATA);
	if (*data < 0 && errno == ENXIO)
		return false;
	if (*data < off)
		*data = off;
	else
		*end = lseek(from, *data, SEEK_HOLE);
	if (*end <= *data || *end > size)
		*end = size;
	return *data < size;
}

uint64_t copydata_space(int from, off_t size, uint64_t block)
{
	uint64_t sum = 0;
	off_t data, end;

	for (off_t off = 0; next_data(from, off, size, &data, &end); off = end)
		sum += ((uint64_t)end + block - 1) / block * block -
		       (uint64_t)data / block * block;
	return sum;
}

int copydata(int from, int to, off_t size)
{
	off_t data, end;
	int r;

	if (size == 0)
		return 0;
	lend_take_back();
	r = clone(from, to, size);
	if (r <= 0)
		return r;
	if (is_dense(from, size))
		return size <= SMALL ? copy_by_hand(from, to, 0, size)
				     : copy_extent(from, to, 0, size);
	if (ftruncate(to, size) < 0)
		return -errno;
	for (off_t off = 0; next_data(from, off, size, &data, &end);
	     off = end) {
		r = copy_extent(from, to, data, end);
		if (r < 0)
			return r;
	}
	return 0;
}
