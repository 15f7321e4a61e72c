/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/window.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/gate.h"
#include "fs/windowpriv.h"
#include "fs/windowsum.h"

/*
 * The mark's mask and what it ignores are two things: a file that is opened
 * while everything is ignored is one that can be asked for later, and that is
 * one system call for all files.
 */
#define MARK_IGNORES                                                           \
	(FAN_MARK_MOUNT | FAN_MARK_IGNORE | FAN_MARK_IGNORED_SURV_MODIFY)

static int mark(int group, unsigned flags, int mount)
{
	return fanotify_mark(group, flags, FAN_PRE_ACCESS, mount, ".") < 0
		       ? -errno
		       : 0;
}

/* Making. */

static int copy_mount(const struct window_config *cfg)
{
	_cleanup_close_ int tree = -1, root = -1;
	struct stat here, there;

	tree = (int)syscall(SYS_open_tree, AT_FDCWD, cfg->upper,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return -errno;
	root = fdio_openat(tree, ".", O_RDONLY | O_DIRECTORY, 0);
	if (root < 0)
		return root;
	if (fstat(root, &here) < 0 || fstat(cfg->upperfd, &there) < 0)
		return -errno;
	if (here.st_dev != there.st_dev || here.st_ino != there.st_ino)
		return -ESTALE;
	return TAKE_FD(root);
}

static int set_up(struct window *w, const struct window_config *cfg)
{
	int r;

	w->group = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC |
					 FAN_NONBLOCK | FAN_UNLIMITED_QUEUE |
					 FAN_REPORT_TID,
				 O_RDONLY | O_LARGEFILE | O_CLOEXEC);
	if (w->group < 0)
		return errno == EINVAL || errno == ENOSYS ? -EOPNOTSUPP
							  : -errno;
	r = w->mount = copy_mount(cfg);
	/* What is ignored first: nothing is asked meanwhile. */
	if (r >= 0)
		r = mark(w->group, FAN_MARK_ADD | MARK_IGNORES, w->mount);
	if (r >= 0)
		r = mark(w->group, FAN_MARK_ADD | FAN_MARK_MOUNT, w->mount);
	return r == -EINVAL ? -EOPNOTSUPP : r;
}

int window_new(struct window **out, const struct window_config *cfg, char *err,
	       size_t errlen)
{
	struct window *w = calloc(1, sizeof(*w));
	int r = 0;

	if (!w)
		return -ENOMEM;
	w->group = cfg->fds[0];
	w->mount = cfg->fds[1];
	w->size = cfg->size;
	w->bell = -1;
	if (w->group < 0)
		r = set_up(w, cfg);
	if (r < 0) {
		snprintf(err, errlen, "%s",
			 r == -EOPNOTSUPP
				 ? "it takes Linux 6.14 and ext4, xfs or btrfs"
				 : strerror(-r));
		window_free(w);
		return r;
	}
	*out = w;
	return 0;
}

void window_free(struct window *w)
{
	if (!w)
		return;
	if (w->mount >= 0)
		close(w->mount);
	if (w->group >= 0)
		close(w->group);
	free(w);
}

void window_fds(const struct window *w, int fds[2])
{
	fds[0] = w ? w->group : -1;
	fds[1] = w ? w->mount : -1;
}

/* Asking. */

void window_bar(const int fds[2])
{
	int r;

	if (fds[0] < 0)
		return;
	r = mark(fds[0], FAN_MARK_REMOVE | MARK_IGNORES, fds[1]);
	if (r < 0 && r != -ENOENT)
		log_error("quota-window: %s", strerror(-r));
}

int windowpriv_ask(struct window *w, bool asks)
{
	int r = mark(w->group,
		     (asks ? FAN_MARK_REMOVE : FAN_MARK_ADD) | MARK_IGNORES,
		     w->mount);

	if (r == -ENOENT && asks)
		r = 0;
	if (r == 0)
		atomic_store(&w->asks, asks);
	return r;
}

bool window_asks(const struct window *w)
{
	return w && atomic_load_explicit(&w->asks, memory_order_relaxed);
}

static uint64_t room_of(struct overlay *o, struct charge_owner owner)
{
	int unused;

	return charge_room(gate_ledger(o->gate), owner, &unused);
}

bool window_is_far(struct overlay *o, struct charge_owner owner)
{
	return o->window && room_of(o, owner) > o->window->size;
}

int window_path(const struct window *w, int fd)
{
	union {
		struct file_handle head;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} h;
	int mount_id, r;

	h.head.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(fd, "", &h.head, &mount_id, AT_EMPTY_PATH) < 0)
		return -errno;
	r = open_by_handle_at(w->mount, &h.head, O_PATH | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

void windowpriv_ring(struct window *w)
{
	uint64_t one = 1;

	if (w->bell >= 0 && write(w->bell, &one, sizeof(one)) < 0)
		log_debug("quota-window: %s", strerror(errno));
}

/* Is the next poll too late for this owner? */
void window_opened(struct overlay *o, struct inode *i)
{
	struct window *w = o->window;
	struct charge_owner owner;
	bool late = atomic_exchange(&w->asleep, false) || window_asks(w);

	if (!late && gate_owner(o, i, &owner))
		late = clock_now() + windowsum_pause(room_of(o, owner)) <
		       atomic_load(&w->due);
	if (late)
		windowpriv_ring(w);
}

void window_changed(struct window *w)
{
	if (w)
		windowpriv_ring(w);
}
