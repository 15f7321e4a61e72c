/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctmount.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/base/strbuf.h"
#include "tools/ctclaim.h"
#include "tools/ctscript.h"
#include "tools/ctwords.h"
#include "tools/quotaconf.h"

#define END_MS 5000u
#define COPIES_MS 100u
#define BUSY_TRIES 40
#define NEW_POINT ".%s.vefs"

/* ---- the mount --------------------------------------------------------------- */

/* The mount point and what leads to it. */
static int make_target(const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", target);
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Its quota, as vefs.conf has it now. */
static int add_quota(struct work *w, const char *folder, struct strbuf *b)
{
	struct quotaconf conf;
	int r = quotaconf_before_mount(&w->one, &conf, &w->why);

	if (r < 0)
		return work_fail(w, r);
	/* The daemon sets it when it serves: a full one could not be mounted. */
	r = container_free_host(&w->one, &w->why);
	if (r < 0)
		return work_fail(w, r);
	if (conf.off)
		return CMD_OK;
	mounting_option(b, "quota", folder, "/" QUOTAASK_FILE);
	mounting_option(b, "quota-id", w->one.id, "");
	if (conf.background)
		mounting_option(b, "quota-check", "background", "");
	if (conf.window[0])
		mounting_option(b, "quota-window", conf.window, "");
	if (container_host_keeps(&w->one))
		mounting_option(b, "quota-enforce", "host", "");
	return CMD_OK;
}

/* Who it is on the host. */
static int add_ids(struct work *w, struct strbuf *b)
{
	struct spec ids;
	char map[64];
	int r = ctwords_ids(&w->one, &ids, &w->why);

	if (r == 0)
		r = ctclaim(w->c, &w->one, ids.count ? ids.base : 0, &w->why);
	if (r < 0)
		return work_fail(w, r);
	if (!ids.count)
		return CMD_OK;
	snprintf(map, sizeof(map), "0:%u:%u", ids.base, ids.count);
	mounting_option(b, "uidmapping", map, "");
	mounting_option(b, "gidmapping", map, "");
	return CMD_OK;
}

static int mount_root(struct work *w, const char *store,
		      const struct mounting_birth *birth)
{
	_cleanup_(strbuf_free) struct strbuf b = STRBUF_INIT;
	char absolute[PATH_MAX], folder[PATH_MAX + 96];
	bool data = w->one.has_data;
	int r = make_target(w->one.root), status;

	/* What is below would be hidden, and be nobody's to unmount. */
	if (r == 0 && container_root_is_taken(&w->one)) {
		log_error("%s: something else is mounted there, see findmnt",
			  w->one.root);
		return CMD_FAILED;
	}
	if (r == 0 && !realpath(store, absolute))
		r = -errno;
	if (r < 0) {
		log_error("%s: %s", w->one.root, strerror(-r));
		return CMD_FAILED;
	}
	snprintf(folder, sizeof(folder), "%s/containers/%s", absolute,
		 w->one.id);
	mounting_option(&b, "template", w->one.template, "");
	mounting_option(&b, "store", absolute, "");
	mounting_option(&b, "upperdir", folder,
			data ? "/data/upper" : "/upper");
	mounting_option(&b, "workdir", folder, data ? "/data/work" : "/work");
	mounting_option(&b, "fsname", "vefs:", w->one.id);
	if (w->passing)
		mounting_option(&b, "fsync", "0", "");
	status = add_ids(w, &b);
	if (status == CMD_OK)
		status = add_quota(w, folder, &b);
	if (status != CMD_OK)
		return status;
	return mounting_run(&b, w->one.root, birth) < 0 ? CMD_FAILED : CMD_OK;
}

/* ---- its end ------------------------------------------------------------------ */

/* A new directory like the one at `name`, with another name. */
static int make_like(int parent, const char *name, const char *new)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* One that was left there is empty. */
	if (unlinkat(parent, new, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	if (mkdirat(parent, new, 0700) < 0)
		return -errno;
	r = fd = fdio_openat(parent, new, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		r = fchown(fd, st.st_uid, st.st_gid) < 0 ||
				    fchmod(fd, st.st_mode & ALLPERMS) < 0
			    ? -errno
			    : 0;
	if (r < 0)
		unlinkat(parent, new, AT_REMOVEDIR);
	return r;
}

/*
 * Who makes a mount namespace copies what is mounted: a service, unshare(1), a
 * container that is just starting. Where mounts are not shared those copies
 * stay when ours is unmounted, and its daemon serves them. When another
 * directory takes the place of a mount point the kernel takes off all that is
 * mounted on it, in every namespace; in ours it must be nothing.
 */
static int take_off_copies(const char *root)
{
	char path[PATH_MAX], new[NAME_MAX + 1], *name;
	_cleanup_close_ int parent = -1;
	struct stat st;
	int r;

	if (!realpath(root, path))
		return -errno;
	name = strrchr(path, '/');
	if (name == path)
		return -EINVAL;
	*name++ = '\0';
	if (snprintf(new, sizeof(new), NEW_POINT, name) >= (int)sizeof(new))
		return -ENAMETOOLONG;
	parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || fstat(parent, &st) < 0)
		return -errno;
	/* Nobody else changes what is there. */
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	r = make_like(parent, name, new);
	if (r < 0)
		return r;
	if (renameat(parent, new, parent, name) == 0)
		return 0;
	r = -errno;
	unlinkat(parent, new, AT_REMOVEDIR);
	return r;
}

/* It is unmounted: until its daemon has ended, `ms` milliseconds at most. */
static void wait_for_daemon(const struct container *one, unsigned ms)
{
	const unsigned soon = ms < COPIES_MS ? ms : COPIES_MS;
	_cleanup_close_ int idle = -1;
	int r = container_idle(one, soon, &idle, NULL);

	if (r != -EBUSY)
		return;
	r = take_off_copies(one->root);
	if (r < 0)
		log_debug("%s: %s", one->root, strerror(-r));
	if (container_idle(one, ms - soon, &idle, NULL) == -EBUSY)
		log_warn("container %s is unmounted, but still in use, in "
			 "another mount namespace",
			 one->id);
}

/* ---- with its scripts -------------------------------------------------------- */

/* It was not to be: what came before goes. */
static void undo(const char *store, const struct container *one, bool mounted)
{
	struct why why = { "" };

	if (mounted && umount2(one->root, 0) < 0)
		log_error("%s: it is mounted still: %s", one->root,
			  strerror(errno));
	else if (mounted)
		wait_for_daemon(one, END_MS);
	if (ctscript_host(store, one, "postumount", &why) < 0)
		log_warn("container %s: %s", one->id, why.text);
}

int ctmount_up(struct work *w, const char *store,
	       const struct mounting_birth *birth)
{
	int r = ctscript_host(store, &w->one, "premount", &w->why), status;

	if (r < 0)
		return work_fail(w, r);
	status = mount_root(w, store, birth);
	if (status != CMD_OK) {
		undo(store, &w->one, false);
		return status;
	}
	r = ctscript_host(store, &w->one, "mount", &w->why);
	if (r < 0) {
		status = work_fail(w, r);
		undo(store, &w->one, true);
	}
	return status;
}

/* Who just looks at it makes it busy, for a moment. */
static int take_off(const char *root)
{
	const struct timespec pause = { .tv_nsec = 5 * (long)CLOCK_MS };

	for (unsigned n = 0; umount2(root, 0) < 0; n++) {
		if (errno != EBUSY || n == BUSY_TRIES)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int ctmount_off(const char *store, const struct container *one, struct why *why)
{
	int r;

	if (!container_is_mounted(one))
		return 0;
	r = ctscript_host(store, one, "umount", why);
	if (r < 0)
		return r;
	r = take_off(one->root);
	return r < 0 ? why_set(why, r, "%s: %s%s", one->root, strerror(-r),
			       r == -EBUSY ? " (fuser -m tells by whom)" : "")
		     : 1;
}

int ctmount_gone(const char *store, const struct container *one, unsigned ms,
		 struct why *why)
{
	/* What looks at it next finds it down, unless others work in it. */
	wait_for_daemon(one, ms);
	return ctscript_host(store, one, "postumount", why);
}

int ctmount_down(const char *store, const struct container *one, unsigned ms,
		 struct why *why)
{
	int r = ctmount_off(store, one, why);

	return r > 0 ? ctmount_gone(store, one, ms, why) : r;
}
