/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/footprint.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

#define BLOCK_DEFAULT 4096u
#define BLOCK_MAX (16u << 20)

/* What is not here may do anything: cautious. */
static const struct {
	uint32_t magic;
	bool ahead, dirs_grow, xattr_block, late;
} kinds[] = {
	{ EXT4_SUPER_MAGIC, false, true, true, true },
	{ XFS_SUPER_MAGIC, true, true, true, true },
	{ BTRFS_SUPER_MAGIC, false, false, false, false },
	{ TMPFS_MAGIC, false, false, false, false },
};

int footprint_fs(int fd, struct footprint_fs *out)
{
	struct footprint_fs f = { .dirs_grow = true,
				  .xattr_block = true,
				  .late = true };
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

/* O_PATH descriptors know no ioctl. */
static int get_flags(int fd, struct fsxattr *x)
{
	_cleanup_close_ int again = -1;

	if (ioctl(fd, FS_IOC_FSGETXATTR, x) == 0)
		return 0;
	if (errno != EBADF)
		return -errno;
	again = fdio_reopen(fd, O_RDONLY | O_NONBLOCK | O_NOATIME | O_NOCTTY);
	if (again < 0)
		return again;
	return ioctl(again, FS_IOC_FSGETXATTR, x) < 0 ? -errno : 0;
}

uint64_t footprint_of(const struct footprint_fs *fs, const struct stat *st,
		      int fd)
{
	struct fsxattr x = { 0 };

	if (!footprint_counts(st))
		return 0;
	if (!may_be_ahead(fs, st) || get_flags(fd, &x) < 0 ||
	    (x.fsx_xflags & FS_XFLAG_PREALLOC))
		return allocated(st);
	return rounded(fs, st);
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
