/* SPDX-License-Identifier: GPL-2.0-or-later */
/* escape - by mounts, roots and control groups. */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEEP 64

/* Up from here as far as it goes: is `path` there? */
static int look_above(const char *path, const char *by)
{
	char up[3 * DEEP + 256];

	for (int i = 0; i < DEEP; i++)
		memcpy(up + 3 * (size_t)i, "../", 3);
	snprintf(up + 3 * DEEP, sizeof(up) - 3 * DEEP, "%s", path + 1);
	if (!access(up, F_OK))
		return escape_out(by);
	return escape_closed(by);
}

/* PATH of the host, seen from above a root of one's own. */
static int way_chroot(char **arg)
{
	mkdir("/cell", 0755);
	if (chdir("/") || chroot("/cell"))
		return escape_closed("chroot");
	return look_above(arg[0], "chroot");
}

/* PATH of the host, seen from a directory that left its bind mount. */
static int way_moved(char **arg)
{
	mkdir("/outer", 0755);
	mkdir("/outer/inner", 0755);
	mkdir("/outer/inner/here", 0755);
	mkdir("/bound", 0755);
	if (mount("/outer/inner", "/bound", NULL, MS_BIND, NULL) ||
	    chdir("/bound/here"))
		return escape_closed("bind mount");
	if (rename("/outer/inner/here", "/outer/here"))
		return escape_closed("rename");
	return look_above(arg[0], "a moved directory");
}

/* PATH of the host, seen when the root is gone. */
static int way_unmount(char **arg)
{
	if (umount2("/", MNT_DETACH))
		return escape_closed("umount");
	return look_above(arg[0], "umount");
}

/* DEVICE TYPE: a disk of the host. */
static int way_disk(char **arg)
{
	mkdir("/disk", 0755);
	if (!mount(arg[0], "/disk", arg[1], 0, NULL))
		return escape_out(arg[0]);
	return escape_closed(arg[0]);
}

/* TYPE: a filesystem on a disk, by the calls of today. */
static int way_fsopen(char **arg)
{
	int fd = fsopen(arg[0], 0);

	if (fd < 0)
		return errno == ENODEV ? escape_absent(arg[0])
				       : escape_closed(arg[0]);
	fsconfig(fd, FSCONFIG_SET_STRING, "source", "/dev/null", 0);
	/* ENOTBLK would be the kernel looking at the disk already */
	return escape_right(arg[0],
			    fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

/* TYPE...: filesystems of the host's own kernel. */
static int way_kernelfs(char **arg)
{
	mkdir("/kernelfs", 0755);
	for (; *arg; arg++)
		if (!mount("none", "/kernelfs", *arg, 0, NULL))
			return escape_out(*arg);
	return escape_closed("mount");
}

/*
 * PATH...: what is read-only or covered, made otherwise and written. All that
 * is on it goes; what it is in is only made writable, it would be gone too.
 */
static int way_uncover(char **arg)
{
	if (unshare(CLONE_NEWNS))
		printf("not apart: %s\n", strerrorname_np(errno));
	for (; *arg; arg++) {
		char path[256], *slash;

		while (!umount2(*arg, MNT_DETACH))
			;
		snprintf(path, sizeof(path), "%s", *arg);
		while ((slash = strrchr(path, '/')) > path) {
			mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL);
			*slash = '\0';
		}
		mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL);
		mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
		if (open(*arg, O_WRONLY) >= 0)
			return escape_out(*arg);
		printf("%s: %s\n", *arg, strerrorname_np(errno));
	}
	return escape_closed("open");
}

/* ---- control groups ------------------------------------------------------ */

/* Can its own value be written to `name` in `dir`? */
static int rewrite(const char *dir, const char *name)
{
	char path[512], value[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return 0;
	n = read(fd, value, sizeof(value) - 1);
	n = write(fd, value, n > 0 ? (size_t)n : 0);
	close(fd);
	if (n > 0)
		escape_out(path);
	return n > 0;
}

/* Its limits, and what the kernel runs outside, in the groups at `dir`. */
static int change_groups(const char *dir)
{
	static const char *const names[] = {
		"release_agent",
		"notify_on_release",
		"memory.limit_in_bytes",
		"memory.max",
		"memory.high",
		"memory.swap.max",
		"memory.memsw.limit_in_bytes",
		"pids.max",
		"cpu.max",
		"cpu.weight",
		"cpu.shares",
		"cpu.cfs_quota_us",
		"cpuset.cpus",
		"io.weight",
		"devices.list",
	};
	int n = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		n += rewrite(dir, names[i]);
	return n;
}

/*
 * In every hierarchy that can be mounted, from namespaces of one's own too.
 * What a group made inside may be given is its own affair: only the topmost
 * that is seen counts.
 */
static int try_groups(void)
{
	static const char *const v1[] = {
		"memory", "cpu",     "cpuset",	"pids",
		"blkio",  "freezer", "devices", "rdma",
		"misc",	  "hugetlb", "net_cls", "none,name=systemd"
	};
	int n = change_groups("/sys/fs/cgroup");

	mkdir("/groups", 0755);
	if (!mount("none", "/groups", "cgroup2", 0, NULL)) {
		n += change_groups("/groups");
		umount("/groups");
	}
	for (size_t i = 0; i < sizeof(v1) / sizeof(v1[0]); i++) {
		if (mount("none", "/groups", "cgroup", 0, v1[i]))
			continue;
		printf("mounted %s\n", v1[i]);
		n += change_groups("/groups");
		umount("/groups");
	}
	return n;
}

static int way_cgroup(char **arg)
{
	int n = try_groups();

	(void)arg;
	if (!unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP))
		n += try_groups();
	return n ? ESCAPED : escape_closed("control groups");
}

const struct escape_way escape_mounts[] = {
	{ "chroot", 1, way_chroot },
	{ "moved", 1, way_moved },
	{ "unmount", 1, way_unmount },
	{ "disk", 2, way_disk },
	{ "fsopen", 1, way_fsopen },
	{ "kernelfs", 1, way_kernelfs },
	{ "uncover", 1, way_uncover },
	{ "cgroup", 0, way_cgroup },
	{ NULL, 0, NULL },
};
