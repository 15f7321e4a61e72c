/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procmount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

static int set(int fs, unsigned cmd, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, cmd, key, value, 0) < 0 ? -errno : 0;
}

static int configure(int fs, int device)
{
	const struct {
		unsigned cmd;
		const char *key, *value;
	} all[] = {
		{ FSCONFIG_SET_STRING, "source", PROCMOUNT_SOURCE },
		{ FSCONFIG_SET_STRING, "subtype", PROCMOUNT_SOURCE },
		{ FSCONFIG_SET_STRING, "rootmode", "40000" },
		{ FSCONFIG_SET_STRING, "user_id", "0" },
		{ FSCONFIG_SET_STRING, "group_id", "0" },
		{ FSCONFIG_SET_FLAG, "allow_other", NULL },
		{ FSCONFIG_SET_FLAG, "default_permissions", NULL },
	};
	char number[16];
	int r;

	snprintf(number, sizeof(number), "%d", device);
	r = set(fs, FSCONFIG_SET_STRING, "fd", number);
	for (unsigned i = 0; i < ARRAY_SIZE(all) && r == 0; i++)
		r = set(fs, all[i].cmd, all[i].key, all[i].value);
	return r < 0 ? r : set(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
}

int procmount_new(struct procmount *out)
{
	_cleanup_close_ int device = -1, fs = -1;
	int r, mount;

	device = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (device < 0)
		return -errno;
	fs = (int)syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	r = configure(fs, device);
	if (r < 0)
		return r;
	mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
			     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				     MOUNT_ATTR_NOEXEC);
	if (mount < 0)
		return -errno;
	out->device = TAKE_FD(device);
	out->mount = mount;
	return 0;
}

void procmount_close(struct procmount *m)
{
	if (m->device >= 0)
		close(m->device);
	if (m->mount >= 0)
		close(m->mount);
	m->device = m->mount = -1;
}

int procmount_attach(const struct procmount *m, const char *target)
{
	return syscall(SYS_move_mount, m->mount, "", AT_FDCWD, target,
		       MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

int procmount_hide(struct procmount *m, int *attached)
{
	int again;

	/* On top of /, where no path leads. */
	if (procmount_attach(m, "/") < 0)
		return -errno;
	again = (int)syscall(SYS_open_tree, m->mount, "",
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				     AT_EMPTY_PATH);
	if (again < 0)
		return -errno;
	*attached = m->mount;
	m->mount = again;
	return 0;
}

int procmount_part(const struct procmount *m, const char *path)
{
	int fd = (int)syscall(SYS_open_tree, m->mount, path,
			      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				      AT_SYMLINK_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int procmount_cover(int part, int dir, const char *name)
{
	_cleanup_close_ int to =
		openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (to < 0)
		return -errno;
	return syscall(SYS_move_mount, part, "", to, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}
