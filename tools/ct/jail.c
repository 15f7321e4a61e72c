/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jail - the container's tree of mounts, and what the other files give.
 *
 * The order in jail_enter() is what counts: the new root is attached over the
 * old one while that is still there, because in a user namespace the kernel
 * lets nobody mount a /proc or /sys who does not see a whole one already. All
 * that is mounted is below descriptors of mounts of our own making; the
 * container's tree is only asked for the few directories that they stand on,
 * and there a symlink is an error.
 */
#include "tools/ct/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tools/ct/jailcaps.h"
#include "tools/ct/jaildev.h"
#include "tools/ct/jailfilter.h"
#include "tools/ct/jailmask.h"
#include "tools/ct/jailmount.h"

#define SUID_DEV (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define ALL_NO (SUID_DEV | MOUNT_ATTR_NOEXEC)

#define PATH_VALUE                                                             \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The inode of a hierarchy's own root; a namespace's root has another. */
#define CGROUP_TOP_INO 1

/* ---- attaching ----------------------------------------------------------- */

/* A mount that was made (or its error) on `path` below `dir`, made if needed.
 * Its descriptor is the caller's either way. */
static int put(int mount, int dir, const char *path, mode_t mode)
{
	_cleanup_close_ int at = -1;

	if (mount < 0)
		return mount;
	at = jailmount_dir(dir, path, mode);
	if (at < 0)
		return at;
	return jailmount_attach(mount, at);
}

/* The same of a new filesystem: the mount, attached. */
static int put_new(const char *type, uint64_t attr,
		   const struct jailmount_option *option, int dir,
		   const char *path)
{
	_cleanup_close_ int mount = jailmount_new(type, attr, option);
	int r = put(mount, dir, path, 0755);

	return r < 0 ? r : TAKE_FD(mount);
}

/* How to say it of a place in the container's own tree. */
static int tell_place(struct why *why, int r, const char *path)
{
	if (r == -ELOOP)
		return why_set(why, r,
			       "%s of the container is a symlink: it must be "
			       "a directory",
			       path);
	if (r == -ENOTDIR)
		return why_set(why, r, "%s of the container is not a directory",
			       path);
	if (r == -EPERM)
		return why_set(why, r,
			       "cannot mount %s of the container: not "
			       "permitted (is the host's own %s partly covered "
			       "by mounts?)",
			       path, path);
	return why_sys(why, r, "cannot mount %s of the container", path);
}

/* ---- the tree ------------------------------------------------------------ */

/* From here on no mount comes or goes between here and the host. */
static int make_private(void)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };

	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

/* `sys` is what jail_sys() gave. */
static int new_sys(const struct spec *s, int sys)
{
	uint64_t ro = s->writable_sys ? 0 : MOUNT_ATTR_RDONLY;
	int fd;

	if (sys < 0)
		return jailmount_new("sysfs", ALL_NO | ro, NULL);
	fd = fcntl(sys, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

/* What is on /dev. */
static int fill_dev(int dev, struct why *why)
{
	static const struct jailmount_option pts[] = {
		{ "newinstance", NULL }, { "ptmxmode", "0666" },
		{ "mode", "0620" },	 { "gid", "5" },
		{ NULL, NULL },
	};
	static const struct jailmount_option shm[] = {
		{ "mode", "1777" },
		{ NULL, NULL },
	};
	const struct {
		const char *path, *type;
		uint64_t attr;
		const struct jailmount_option *option;
	} on[] = {
		{ "pts", "devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, pts },
		{ "shm", "tmpfs", SUID_DEV, shm },
		{ "mqueue", "mqueue", ALL_NO, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		_cleanup_close_ int mount = put_new(
			on[i].type, on[i].attr, on[i].option, dev, on[i].path);

		if (mount == -ENODEV) /* not in this kernel */
			continue;
		if (mount < 0)
			return why_sys(why, mount,
				       "cannot mount /dev/%s of the container",
				       on[i].path);
	}
	return 0;
}

/*
 * The unified hierarchy from the container's own group down, where there is
 * one. Whoever was put into no group of its own there sees the host's, and can
 * only look.
 */
static int mount_cgroup(int sys)
{
	static const struct jailmount_option option[] = {
		{ "nsdelegate", NULL },
		{ NULL, NULL },
	};
	_cleanup_close_ int at = jailmount_open(sys, "fs/cgroup", O_PATH);
	_cleanup_close_ int mount = -1;
	struct stat st = { .st_mode = 0 };
	int r;

	if (at == -ENOENT)
		return 0;
	if (at < 0)
		return at;
	mount = jailmount_new("cgroup2", ALL_NO, option);
	if (mount == -ENODEV || mount == -EBUSY)
		return 0;
	if (mount < 0)
		return mount;
	r = fdio_stat(mount, &st);
	if (r == 0 && st.st_ino == CGROUP_TOP_INO)
		r = jailmount_attr(mount, MOUNT_ATTR_RDONLY, 0);
	return r < 0 ? r : jailmount_attach(mount, at);
}

/*
 * Whole ones, without what is masked: the kernel lets a user namespace inside
 * mount its own only where it sees such. Only for those who are not the host's
 * root, whom the kernel keeps from writing there. In the host's network nobody
 * may mount a sysfs, see jail_sys().
 */
static int mount_whole(const struct spec *s, int dev)
{
	_cleanup_close_ int own = jailmount_dir(dev, ".vefs", 0700);
	_cleanup_close_ int proc = -1, sys = -1;

	if (own < 0)
		return own;
	proc = put_new("proc", ALL_NO, NULL, own, "proc");
	if (proc < 0 || s->net.mode == SPEC_NET_HOST)
		return proc < 0 ? proc : 0;
	sys = put_new("sysfs", ALL_NO, NULL, own, "sys");
	return sys < 0 ? sys : 0;
}

/*
 * An init system that may not mount needs this done; with a user namespace it
 * does so itself.
 */
static int mount_run(int root)
{
	static const struct jailmount_option option[] = {
		{ "mode", "0755" },
		{ NULL, NULL },
	};
	_cleanup_close_ int run =
		put_new("tmpfs", SUID_DEV, option, root, "run");

	if (run < 0)
		return run;
	if (mkdirat(run, "lock", 01777) < 0 ||
	    fchmodat(run, "lock", 01777, 0) < 0)
		return -errno;
	return 0;
}

static int fill(const struct spec *s, int root, int dev, int host_sys,
		struct why *why)
{
	_cleanup_close_ int proc = -1, sys = -1;
	int r = put(dev, root, "dev", 0755);

	if (r < 0)
		return tell_place(why, r, "/dev");
	proc = put_new("proc", ALL_NO, NULL, root, "proc");
	if (proc < 0)
		return tell_place(why, proc, "/proc");
	sys = new_sys(s, host_sys);
	r = put(sys, root, "sys", 0755);
	if (r < 0)
		return tell_place(why, r, "/sys");
	r = fill_dev(dev, why);
	if (r < 0)
		return r;
	r = mount_cgroup(sys);
	if (r < 0)
		return tell_place(why, r, "/sys/fs/cgroup");
	if (s->count == 0) {
		r = mount_run(root);
		if (r < 0)
			return tell_place(why, r, "/run");
	} else if (s->nesting) {
		r = mount_whole(s, dev);
		if (r < 0)
			return why_sys(why, r,
				       "cannot mount a whole /proc "
				       "for nested containers");
	}
	return jailmask_apply(s, proc, sys, dev, why);
}

/* The old root comes to lie on the new one, and is taken off it. */
static int swap_roots(int root)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int jail_enter(const struct spec *s, int root, int dev, int sys,
	       struct why *why)
{
	_cleanup_close_ int top = -1;
	int r = make_private();

	if (r < 0)
		return why_sys(why, r, "cannot part from the host's mounts");
	top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = top < 0 ? -errno : jailmount_attach(root, top);
	if (r < 0)
		return why_sys(why, r, "cannot attach the container's root");
	r = fill(s, root, dev, sys, why);
	if (r < 0)
		return r;
	r = swap_roots(root);
	if (r == -EINVAL)
		return why_set(why, r,
			       "cannot change the root: the host's own is no "
			       "mount that can be left (a ramdisk?)");
	if (r < 0)
		return why_sys(why, r, "cannot change the root");
	return 0;
}

/*
 * No device of the tree can be opened: those that a container may use are in
 * the /dev that it is given, and what else a template holds is not believed.
 */
static int clone_root(const char *path)
{
	_cleanup_close_ int fd = open_tree(AT_FDCWD, path,
					   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
						   AT_SYMLINK_NOFOLLOW);
	struct stat st = { .st_mode = 0 };
	int r = fd < 0 ? -errno : fdio_stat(fd, &st);

	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r == 0)
		r = jailmount_attr(fd, MOUNT_ATTR_NODEV, 0);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Locked, where there could be a root who would unlock it. */
static int open_root(const char *path)
{
	_cleanup_close_ int fd = clone_root(path);
	int locked = fd < 0 ? fd : jailmount_locked(fd);

	return locked == -EOPNOTSUPP ? clone_root(path) : locked;
}

int jail_root(const char *path, struct why *why)
{
	int fd = open_root(path);

	return fd < 0 ? why_sys(why, fd, "%s", path) : fd;
}

/*
 * A sysfs shows the network namespace that it was mounted in, and may be
 * mounted only by that one's owner.
 */
static int clone_sys(const struct spec *s)
{
	uint64_t ro = s->writable_sys ? 0 : MOUNT_ATTR_RDONLY;
	_cleanup_close_ int fd = open_tree(AT_FDCWD, "/sys",
					   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = fd < 0 ? -errno : jailmount_attr(fd, ALL_NO | ro, 0);

	return r < 0 ? r : TAKE_FD(fd);
}

static int open_sys(const struct spec *s)
{
	_cleanup_close_ int fd = clone_sys(s);
	int locked = fd < 0 ? fd : jailmount_locked(fd);

	return locked == -EOPNOTSUPP ? clone_sys(s) : locked;
}

int jail_sys(const struct spec *s, struct why *why)
{
	int fd;

	if (s->net.mode != SPEC_NET_HOST || s->count == 0)
		return -ENODATA;
	fd = open_sys(s);
	return fd < 0 ? why_sys(why, fd, "the host's /sys") : fd;
}

/* ---- what is run --------------------------------------------------------- */

/* Is it a program? */
static bool runs(const char *path)
{
	struct stat st = { .st_mode = 0 };

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* A word as the shell looks for it. */
static bool runs_somewhere(const char *word)
{
	const char *dir = PATH_VALUE;
	char path[PATH_MAX];

	if (strchr(word, '/'))
		return runs(word);
	for (;;) {
		int len = (int)strcspn(dir, ":");
		int n = snprintf(path, sizeof(path), "%.*s/%s", len, dir, word);

		if (n < (int)sizeof(path) && runs(path))
			return true;
		if (!dir[len])
			return false;
		dir += len + 1;
	}
}

int jail_find_init(const struct spec *s, char *const **argv, struct why *why)
{
	static char usual[][32] = {
		"/sbin/init",
		"/usr/sbin/init",
		"/lib/systemd/systemd",
		"/usr/lib/systemd/systemd",
		"/etc/init",
		"/bin/init",
		"/init",
	};
	static char *found[2];

	if (s->init && s->init[0]) {
		if (!runs_somewhere(s->init[0]))
			return why_set(why, -ENOENT,
				       "the container has no program %s",
				       s->init[0]);
		*argv = s->init;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (runs(usual[i])) {
			found[0] = usual[i];
			*argv = found;
			return 0;
		}
	return why_set(why, -ENOENT,
		       "the container has no init: neither /sbin/init, "
		       "/usr/sbin/init, /lib/systemd/systemd, "
		       "/usr/lib/systemd/systemd, /etc/init, /bin/init nor "
		       "/init is a program: its template needs a package "
		       "like systemd-sysv, or 'vefs set' it --init");
}

char *const *jail_environment(const struct spec *s)
{
	/* "lxc": what every init system knows, and takes for no more than
	 * being in a container */
	static char path[] = "PATH=" PATH_VALUE, home[] = "HOME=/root",
		    term[] = "TERM=linux", container[] = "container=lxc";
	static char *env[] = { path, home, term, container, NULL };

	(void)s;
	return env;
}

/* ---- the others ---------------------------------------------------------- */

int jail_dev(const struct spec *s, struct why *why)
{
	return jaildev_make(s, why);
}

int jail_devices(const struct spec *s, struct spec_device **list)
{
	return jaildev_list(s, list);
}

int jail_console(const struct spec *s, struct why *why)
{
	(void)s;
	return jaildev_console(why);
}

int jail_caps(const struct spec *s, struct why *why)
{
	return jailcaps_apply(s, why);
}

int jail_filter(const struct spec *s, struct why *why)
{
	int r = jailfilter_load(s, why);

	return r < 0 ? r : jailcaps_settle(why);
}

uint64_t jail_usual_caps(const struct spec *s)
{
	return jailcaps_usual(s);
}

int jail_parse_cap(const char *word)
{
	return jailcaps_parse(word);
}
