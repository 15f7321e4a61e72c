/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/jaildev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ct/jailmount.h"

#define GID_TTY 5u /* wherever there is a group "tty" */

static const struct node {
	const char *name;
	unsigned major, minor;
	mode_t mode;
	uint32_t gid;
} usual[] = {
	{ "null", 1, 3, 0666, 0 },    { "zero", 1, 5, 0666, 0 },
	{ "full", 1, 7, 0666, 0 },    { "random", 1, 8, 0666, 0 },
	{ "urandom", 1, 9, 0666, 0 }, { "tty", 5, 0, 0666, GID_TTY },
};

#define FEATURES 3
static const struct node fuse_node = { "fuse", 10, 229, 0666, 0 };
static const struct node tun_node = { "net/tun", 10, 200, 0666, 0 };
static const struct node ppp_node = { "ppp", 108, 0, 0600, 0 };

static const struct {
	const char *name, *target;
} links[] = {
	{ "ptmx", "pts/ptmx" },		 { "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },	 { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" }, { "core", "/proc/kcore" },
};

static const struct {
	const char *name;
	mode_t mode;
} dirs[] = {
	{ "pts", 0755 }, { "shm", 01777 }, { "mqueue", 01777 },
	{ "net", 0755 }, { "vefs", 0755 }, { "vefs/vz", 0755 },
};

/* Only for something to be bound on. */
static const struct {
	const char *name;
	mode_t mode;
} files[] = {
	{ "console", 0600 },
	{ "vefs/user_beancounters", 0400 },
};

static int own(int dir, const char *name, uint32_t uid, uint32_t gid)
{
	if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/*
 * The directories before the last component of `path`, which must stay below:
 * the last one of them, O_PATH, and the rest of `path` in `last`.
 */
static int make_parents(int dev, const char *path, uint32_t base,
			const char **last)
{
	_cleanup_close_ int at = jailmount_open(dev, "", O_PATH | O_DIRECTORY);

	while (at >= 0) {
		size_t len = strcspn(path, "/");
		char name[NAME_MAX + 1];
		int next;

		if (!len || len > NAME_MAX)
			return -EINVAL;
		memcpy(name, path, len);
		name[len] = '\0';
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			return -EINVAL;
		if (!path[len]) {
			*last = path;
			break;
		}
		path += len + 1;
		if (!mkdirat(at, name, 0755)) {
			int r = own(at, name, base, base);

			if (r == 0 && fchmodat(at, name, 0755, 0) < 0)
				r = -errno;
			if (r < 0)
				return r;
		} else if (errno != EEXIST) {
			return -errno;
		}
		next = jailmount_open(at, name, O_PATH | O_DIRECTORY);
		close(at);
		at = next;
	}
	return TAKE_FD(at);
}

static int make_node(int dev, const struct node *n, mode_t type, uint32_t base)
{
	const char *last = "";
	_cleanup_close_ int at = make_parents(dev, n->name, base, &last);
	int r;

	if (at < 0 || !last)
		return at;
	if (mknodat(at, last, type | n->mode, makedev(n->major, n->minor)) < 0)
		return -errno;
	r = own(at, last, base, base + n->gid);
	/* past the umask */
	if (r == 0 && fchmodat(at, last, n->mode, 0) < 0)
		r = -errno;
	return r;
}

/* What its features need: how many of `list`. */
static size_t list_features(const struct spec *s,
			    const struct node *list[FEATURES])
{
	size_t n = 0;

	if (s->fuse)
		list[n++] = &fuse_node;
	if (s->tun)
		list[n++] = &tun_node;
	if (s->ppp)
		list[n++] = &ppp_node;
	return n;
}

int jaildev_list(const struct spec *s, struct spec_device **list)
{
	const struct node *feature[FEATURES];
	size_t n = list_features(s, feature);
	struct spec_device *d = calloc(n + s->n_device + 1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		d[i] = (struct spec_device){ .type = 'c',
					     .major = feature[i]->major,
					     .minor = feature[i]->minor,
					     .read = true,
					     .write = true };
		snprintf(d[i].name, sizeof(d[i].name), "%s", feature[i]->name);
	}
	for (size_t i = 0; i < s->n_device; i++)
		d[n + i] = s->device[i];
	*list = d;
	return (int)(n + s->n_device);
}

/* What the features and the configuration ask for. */
static int make_extra(int dev, const struct spec *s, struct why *why)
{
	const struct node *feature[FEATURES];
	size_t n_feature = list_features(s, feature);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_feature; i++) {
		r = make_node(dev, feature[i], S_IFCHR, s->base);
		if (r < 0)
			why_sys(why, r, "cannot make /dev/%s",
				feature[i]->name);
	}
	for (size_t i = 0; r == 0 && i < s->n_device; i++) {
		const struct spec_device *d = &s->device[i];
		struct node n = { d->name, d->major, d->minor,
				  (d->read ? 0440u : 0) |
					  (d->write ? 0220u : 0),
				  0 };

		/* what may be used, and has no node here */
		if (!d->name[0])
			continue;
		r = make_node(dev, &n, d->type == 'b' ? S_IFBLK : S_IFCHR,
			      s->base);
		if (r == -EEXIST) /* it has that one anyway */
			r = 0;
		if (r < 0)
			why_sys(why, r, "cannot make the device /dev/%s",
				d->name);
	}
	return r;
}

static int make_frame(int dev, uint32_t base)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (mkdirat(dev, dirs[i].name, dirs[i].mode) < 0 ||
		    fchmodat(dev, dirs[i].name, dirs[i].mode, 0) < 0)
			return -errno;
		r = own(dev, dirs[i].name, base, base);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++) {
		if (symlinkat(links[i].target, dev, links[i].name) < 0)
			return -errno;
		r = own(dev, links[i].name, base, base);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		if (mknodat(dev, files[i].name, S_IFREG | files[i].mode, 0) < 0)
			return -errno;
		r = own(dev, files[i].name, base, base);
	}
	return r;
}

/* What its root is called: for tools that look for a disk by its number. No
 * driver has it, and it is not opened. */
static int make_root_device(int dev, const struct spec *s)
{
	const struct node n = { "simfs", s->root_major, s->root_minor, 0600,
				0 };

	return s->root_major || s->root_minor
		       ? make_node(dev, &n, S_IFBLK, s->base)
		       : 0;
}

int jaildev_make(const struct spec *s, struct why *why)
{
	char uid[16];
	const struct jailmount_option option[] = {
		{ "mode", "0755" }, { "size", "1m" }, { "nr_inodes", "4096" },
		{ "uid", uid },	    { "gid", uid },   { NULL, NULL },
	};
	_cleanup_close_ int dev = -1;
	int r;

	snprintf(uid, sizeof(uid), "%u", s->base);
	dev = jailmount_new("tmpfs", MOUNT_ATTR_NOSUID, option);
	if (dev < 0)
		return why_sys(why, dev, "cannot make a tmpfs for /dev");
	r = make_frame(dev, s->base);
	if (r < 0)
		return why_sys(why, r, "cannot fill /dev");
	r = make_root_device(dev, s);
	if (r < 0)
		return why_sys(why, r, "cannot make /dev/simfs");
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		r = make_node(dev, &usual[i], S_IFCHR, s->base);
		if (r < 0)
			return why_sys(why, r, "cannot make /dev/%s%s",
				       usual[i].name,
				       r == -EPERM ? " (only the root of the "
						     "host itself can)"
						   : "");
	}
	r = make_extra(dev, s, why);
	return r < 0 ? r : TAKE_FD(dev);
}

/* The slave of an open master, bound on `console`. */
static int bind_slave(int dev, int master, int console)
{
	_cleanup_close_ int slave = -1, clone = -1;
	unsigned number;
	char name[32];

	if (ioctl(master, TIOCGPTN, &number) < 0)
		return -errno;
	snprintf(name, sizeof(name), "pts/%u", number);
	slave = jailmount_open(dev, name, O_PATH);
	if (slave < 0)
		return slave;
	clone = jailmount_clone(slave);
	if (clone < 0)
		return clone;
	return jailmount_attach(clone, console);
}

int jaildev_console(struct why *why)
{
	_cleanup_close_ int dev = -1, master = -1, console = -1;
	int off = 0, r;

	dev = open("/dev", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dev < 0)
		return why_sys(why, -errno, "/dev");
	master = jailmount_open(dev, "pts/ptmx", O_RDWR | O_NOCTTY);
	if (master < 0)
		return why_sys(why, master, "cannot open /dev/pts/ptmx");
	if (ioctl(master, TIOCSPTLCK, &off) < 0)
		return why_sys(why, -errno, "cannot unlock the console's pty");
	console = jailmount_open(dev, "console", O_PATH);
	r = console < 0 ? console : bind_slave(dev, master, console);
	if (r < 0)
		return why_sys(why, r, "cannot put a pty on /dev/console");
	return TAKE_FD(master);
}
