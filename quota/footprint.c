/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/footprint.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

#define BLOCK_DEFAULT 4096u
#define BLOCK_MAX (16u << 20)
#define EXTENTS 16u
#define LOOKS 8
/* The kernel writes back what is dirty for 30 s, looking every 5 s. */
#define RIPE_S 120

/* What is not here may do anything: cautious. */
static const struct {
	uint32_t magic;
	bool ahead, dirs_grow, xattr_block, late, shares, journal;
} kinds[] = {
	{ EXT4_SUPER_MAGIC, false, true, true, true, false, true },
	{ XFS_SUPER_MAGIC, true, true, true, true, true, true },
	{ BTRFS_SUPER_MAGIC, false, false, false, false, true, false },
	{ TMPFS_MAGIC, false, false, false, false, false, false },
};

int footprint_fs(int fd, struct footprint_fs *out)
{
	struct footprint_fs f = { .dirs_grow = true,
				  .xattr_block = true,
				  .late = true,
				  .shares = true };
	struct statfs s;
	uint64_t block;

	if (fstatfs(fd, &s) < 0)
		return -errno;
	block = (uint64_t)(s.f_frsize > 0 ? s.f_frsize : s.f_bsize);
	f.block = BLOCK_DEFAULT;
	if (block >= 512 && block <= BLOCK_MAX && block % 512 == 0)
		f.block = (uint32_t)block;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if ((uint32_t)s.f_type != kinds[i].magic)
			continue;
		f.ahead = kinds[i].ahead;
		f.dirs_grow = kinds[i].dirs_grow;
		f.xattr_block = kinds[i].xattr_block;
		f.late = kinds[i].late;
		f.shares = kinds[i].shares;
		f.journal = kinds[i].journal;
	}
	*out = f;
	return 0;
}

bool footprint_counts(const struct stat *st)
{
	return !S_ISCHR(st->st_mode) || st->st_rdev != makedev(0, 0);
}

static uint64_t allocated(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512;
}

static uint64_t rounded(const struct footprint_fs *fs, const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_size;

	return (size + fs->block - 1) / fs->block * fs->block;
}

/* Is there more than the data needs, that only the filesystem wanted? */
static bool may_be_ahead(const struct footprint_fs *fs, const struct stat *st)
{
	return fs->ahead && S_ISREG(st->st_mode) &&
	       allocated(st) > rounded(fs, st);
}

struct some_extents {
	struct fiemap head;
	struct fiemap_extent extents[EXTENTS];
};

/* Bytes that are allocated from `from` on. */
static uint64_t allocated_from(int fd, uint64_t from)
{
	uint64_t sum = 0;
	bool last = false;

	while (!last) {
		struct some_extents f = {
			.head = { .fm_start = from,
				  .fm_length = INT64_MAX - from,
				  .fm_extent_count = EXTENTS }
		};

		if (ioctl(fd, FS_IOC_FIEMAP, &f) < 0 ||
		    f.head.fm_mapped_extents == 0)
			break;
		for (unsigned i = 0; i < f.head.fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &f.extents[i];
			uint64_t end = e->fe_logical + e->fe_length;

			sum += e->fe_logical > from ? e->fe_length : end - from;
			last = e->fe_flags & FIEMAP_EXTENT_LAST;
			from = end;
		}
	}
	return sum;
}

/*
 * What the filesystem has reserved behind the data, unless somebody asked for
 * it. O_PATH descriptors know no ioctl.
 */
static uint64_t ahead(const struct footprint_fs *fs, const struct stat *st,
		      int fd)
{
	_cleanup_close_ int again = -1;
	struct fsxattr x = { 0 };

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0) {
		if (errno != EBADF)
			return 0;
		again = fdio_reopen(fd, O_RDONLY | O_NONBLOCK | O_NOATIME |
						O_NOCTTY);
		if (again < 0 || ioctl(again, FS_IOC_FSGETXATTR, &x) < 0)
			return 0;
		fd = again;
	}
	if (x.fsx_xflags & FS_XFLAG_PREALLOC)
		return 0;
	return allocated_from(fd, rounded(fs, st));
}

uint64_t footprint_of(const struct footprint_fs *fs, const struct stat *st,
		      int fd)
{
	uint64_t all = allocated(st), reserved;
	struct stat now = *st;

	if (!footprint_counts(st))
		return 0;
	/* It may be given back between two looks: until they agree. */
	for (int tries = 0; tries < LOOKS; tries++) {
		if (!may_be_ahead(fs, &now))
			return allocated(&now);
		all = allocated(&now);
		reserved = ahead(fs, &now, fd);
		if (fdio_stat(fd, &now) < 0 || allocated(&now) == all)
			return reserved < all ? all - reserved : 0;
	}
	return all;
}

uint64_t footprint_grown(const struct footprint_fs *fs, const struct stat *st,
			 uint64_t before)
{
	uint64_t least = rounded(fs, st);

	if (!may_be_ahead(fs, st))
		return allocated(st);
	return least > before ? least : before;
}

void footprint_ripen(const struct footprint_fs *fs, struct stat *st, int dirfd,
		     const char *name)
{
	_cleanup_close_ int path = -1, fd = -1;
	struct stat now;

	if (!fs->late || !S_ISREG(st->st_mode) || st->st_size == 0 ||
	    time(NULL) - st->st_ctim.tv_sec > RIPE_S)
		return;
	path = fdio_openat(dirfd, name, O_PATH, 0);
	if (path < 0 || fdio_stat(path, &now) < 0 || now.st_ino != st->st_ino ||
	    !S_ISREG(now.st_mode))
		return;
	fd = fdio_reopen(path, O_RDONLY | O_NONBLOCK | O_NOATIME | O_NOCTTY);
	if (fd < 0)
		return;
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE_AND_WAIT);
	if (fdio_stat(fd, &now) == 0)
		*st = now;
}

uint64_t footprint_at(const struct footprint_fs *fs, const struct stat *st,
		      int dirfd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat now;

	if (!footprint_counts(st))
		return 0;
	if (!may_be_ahead(fs, st))
		return allocated(st);
	/* O_PATH first: another inode may be there now, a device even. */
	fd = fdio_openat(dirfd, name, O_PATH, 0);
	if (fd < 0 || fdio_stat(fd, &now) < 0 || now.st_ino != st->st_ino ||
	    !S_ISREG(now.st_mode))
		return allocated(st);
	return footprint_of(fs, st, fd);
}
