/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/extents.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs/base/cleanup.h"

#define EXTENTS 32u

struct some_extents {
	struct fiemap head;
	struct fiemap_extent extents[EXTENTS];
};

/* By what the file's data says. */
static int next_by_seek(int fd, uint64_t off, struct extents_run *run)
{
	off_t data = lseek(fd, (off_t)off, SEEK_DATA), hole;

	if (data < 0)
		return errno == ENXIO ? -ENODATA : -errno;
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	*run = (struct extents_run){ (uint64_t)data, (uint64_t)hole };
	return 0;
}

int extents_next(int fd, uint64_t off, uint64_t end, struct extents_run *run)
{
	struct some_extents f = { .head = { .fm_start = off,
					    .fm_length = end - off,
					    .fm_extent_count = EXTENTS } };
	const struct fiemap_extent *e = f.extents;
	unsigned n;

	if (ioctl(fd, FS_IOC_FIEMAP, &f) < 0) {
		if (errno != EOPNOTSUPP && errno != ENOTTY)
			return -errno;
		return next_by_seek(fd, off, run);
	}
	n = f.head.fm_mapped_extents;
	if (n == 0)
		return -ENODATA;
	*run = (struct extents_run){ e->fe_logical,
				     e->fe_logical + e->fe_length };
	while (--n > 0 && (++e)->fe_logical == run->to)
		run->to += e->fe_length;
	return 0;
}

int extents_find_hole(int fd, uint64_t size, uint64_t block, bool *has)
{
	bool found = false;
	uint64_t at = 0;

	while (at < size && !found) {
		struct extents_run run = { at, at };
		int r = extents_next(fd, at, size, &run);

		if (r < 0 && r != -ENODATA)
			return r;
		found = r < 0 || run.from > at;
		if (!found)
			at = (run.to + block - 1) / block * block;
	}
	*has = found;
	return 0;
}
