/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/hostsubvol.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"

#define ROOT_INO BTRFS_FIRST_FREE_OBJECTID
#define NO_LIMIT UINT64_MAX
#define FOLDER_MAX 128

/* What the kernel shows. */

static int open_folder(int fd)
{
	struct btrfs_ioctl_fs_info_args info = { .num_devices = 0 };
	const uint8_t *u = info.fsid;
	char path[FOLDER_MAX];
	int dir;

	if (ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0)
		return -errno;
	snprintf(path, sizeof(path),
		 "/sys/fs/btrfs/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x/qgroups",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
		 u[10], u[11], u[12], u[13], u[14], u[15]);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -errno : dir;
}

static int read_number(int dir, const char *name, uint64_t *out)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fdio_pread_full(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, UINT64_MAX, out);
}

int hostsubvol_probe(int fd, char *why, size_t len)
{
	_cleanup_close_ int dir = open_folder(fd);
	uint64_t on = 0, wrong = 0;
	int r = dir;

	if (r >= 0)
		r = read_number(dir, "enabled", &on);
	if (r == 0)
		r = read_number(dir, "inconsistent", &wrong);
	if (r < 0 && r != -ENOENT) {
		snprintf(why, len, "asking for its quotas: %s", strerror(-r));
		return r;
	}
	if (r == 0 && on && !wrong)
		return 0;
	if (r == 0 && on)
		snprintf(why, len,
			 "its quotas are inconsistent: 'btrfs quota rescan -w "
			 "DIR' counts anew");
	else
		snprintf(why, len,
			 "its quotas are off: 'btrfs quota enable --simple "
			 "DIR' (Linux 6.7, btrfs-progs 6.7), or without "
			 "--simple");
	return -EOPNOTSUPP;
}

/* Subvolumes. */

static int vol_call(int dirfd, unsigned long cmd, const char *name)
{
	struct btrfs_ioctl_vol_args args = { .fd = 0 };

	if (strlen(name) > BTRFS_PATH_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(args.name, name, strlen(name));
	return ioctl(dirfd, cmd, &args) < 0 ? -errno : 0;
}

int hostsubvol_create(int dirfd, const char *name)
{
	return vol_call(dirfd, BTRFS_IOC_SUBVOL_CREATE, name);
}

/*
 * Until the last of the subvolume is freed, in the background, the kernel keeps
 * the group. One that stays is no harm: its number is not used again.
 */
static void remove_group(int dirfd, uint64_t id)
{
	struct btrfs_ioctl_qgroup_create_args group = { .qgroupid = id };

	ioctl(dirfd, BTRFS_IOC_QGROUP_CREATE, &group);
}

int hostsubvol_destroy(int dirfd, const char *name)
{
	_cleanup_close_ int fd =
		fdio_openat(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	uint64_t id = 0;
	bool root;
	int r = fd < 0 ? fd : hostsubvol_of(fd, &id, &root);

	if (r == 0)
		r = vol_call(dirfd, BTRFS_IOC_SNAP_DESTROY, name);
	if (r == 0)
		remove_group(dirfd, id);
	return r;
}

int hostsubvol_of(int fd, uint64_t *id, bool *root)
{
	struct btrfs_ioctl_ino_lookup_args args = { .objectid = ROOT_INO };
	struct stat st;
	int r = fdio_stat(fd, &st);

	if (r == 0 && ioctl(fd, BTRFS_IOC_INO_LOOKUP, &args) < 0)
		r = -errno;
	if (r < 0)
		return r;
	*id = args.treeid;
	*root = st.st_ino == ROOT_INO;
	return 0;
}

bool hostsubvol_is_own(uint64_t id)
{
	return id >= BTRFS_FIRST_FREE_OBJECTID;
}

bool hostsubvol_same_fs(int a, int b)
{
	struct btrfs_ioctl_fs_info_args x = { .num_devices = 0 }, y = x;

	return ioctl(a, BTRFS_IOC_FS_INFO, &x) == 0 &&
	       ioctl(b, BTRFS_IOC_FS_INFO, &y) == 0 &&
	       memcmp(x.fsid, y.fsid, sizeof(x.fsid)) == 0;
}

/* Limits. */

int hostsubvol_set(int fd, uint64_t id, uint64_t limit)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.qgroupid = id,
		.lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
			 .max_rfer = limit ? limit : NO_LIMIT },
	};

	return ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
}

int hostsubvol_get(int fd, uint64_t id, uint64_t *limit, uint64_t *used)
{
	/* What is promised to writers counts as used. */
	static const char *const parts[] = { "referenced", "rsv_data",
					     "rsv_meta_prealloc",
					     "rsv_meta_pertrans" };
	_cleanup_close_ int dir = open_folder(fd), group = -1;
	uint64_t flags = 0, top = 0, sum = 0;
	char name[32];
	int r = dir;

	snprintf(name, sizeof(name), "0_%llu", (unsigned long long)id);
	if (r >= 0) {
		group = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = group < 0 ? -errno : 0;
	}
	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(parts); i++) {
		uint64_t n = 0;

		r = read_number(group, parts[i], &n);
		sum += n;
	}
	if (r == 0)
		r = read_number(group, "limit_flags", &flags);
	if (r == 0)
		r = read_number(group, "max_referenced", &top);
	if (r < 0)
		return r;
	*limit = flags & BTRFS_QGROUP_LIMIT_MAX_RFER ? top : 0;
	*used = sum;
	return 0;
}
