/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/jailmount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

int jailmount_new(const char *type, uint64_t attr,
		  const struct jailmount_option *option)
{
	_cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	/* what mount(8) shows in front */
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", type, 0) < 0)
		return -errno;
	for (; option && option->key; option++) {
		unsigned cmd = option->value ? FSCONFIG_SET_STRING
					     : FSCONFIG_SET_FLAG;

		if (fsconfig(fs, cmd, option->key, option->value, 0) < 0)
			return -errno;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr);
	return fd < 0 ? -errno : fd;
}

int jailmount_open(int dir, const char *path, int flags)
{
	return fdio_resolve(dir, path[0] ? path : ".", flags,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
				    RESOLVE_NO_MAGICLINKS);
}

/* The directory `name`, one component, opened or made. */
static int open_or_make(int dir, const char *name, mode_t mode)
{
	int fd = jailmount_open(dir, name, O_PATH | O_DIRECTORY);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(dir, name, mode) < 0) {
		if (errno != EEXIST)
			return -errno;
	} else if (fchmodat(dir, name, mode, 0) < 0) { /* past the umask */
		return -errno;
	}
	return jailmount_open(dir, name, O_PATH | O_DIRECTORY);
}

int jailmount_dir(int dir, const char *path, mode_t mode)
{
	_cleanup_close_ int at = jailmount_open(dir, "", O_PATH | O_DIRECTORY);

	while (at >= 0 && *path) {
		size_t len = strcspn(path, "/");
		char name[NAME_MAX + 1];
		int next;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = '\0';
		path += len + strspn(path + len, "/");
		next = open_or_make(at, name, mode);
		close(at);
		at = next;
	}
	return TAKE_FD(at);
}

int jailmount_clone(int at)
{
	int fd = open_tree(at, "",
			   AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int jailmount_attr(int mount, uint64_t set, uint64_t clear)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

	if (mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

int jailmount_readonly(const char *path)
{
	_cleanup_close_ int fd =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = fd < 0 ? -errno : jailmount_attr(fd, MOUNT_ATTR_RDONLY, 0);

	return r < 0 ? r : TAKE_FD(fd);
}

int jailmount_attach(int mount, int at)
{
	if (move_mount(mount, "", at, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* As the child of jailmount_locked(), with its descriptors: 0 or an errno. */
static int lock_flags(int mount, int place)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	int at, fd;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return errno;
	/* anywhere but "/": who does not see the topmost root counts as
	 * chrooted, and gets no user namespace */
	at = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return errno;
	fd = jailmount_attach(mount, at);
	close(at);
	if (fd < 0)
		return -fd;
	/* the copy's working directory is the copy of this mount */
	if (fchdir(mount) < 0)
		return errno;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return EOPNOTSUPP;
	fd = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || dup3(fd, place, O_CLOEXEC) < 0)
		return errno;
	close(fd);
	return 0;
}

int jailmount_locked(int mount)
{
	struct clone_args args = { .flags = CLONE_FILES };
	_cleanup_close_ int place = fcntl(mount, F_DUPFD_CLOEXEC, 3);
	int status;
	pid_t pid;

	if (place < 0)
		return -errno;
	/* no signal tells of its end: its parent may count those */
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(lock_flags(mount, place));
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -EINTR;
	if (WEXITSTATUS(status))
		return -WEXITSTATUS(status);
	return TAKE_FD(place);
}
