/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_WINDOW_H
#define VEFS_FS_WINDOW_H

/*
 * window - passthrough for files of owners who have limits, while usage is
 * farther from all of them than the window's size. For containers that one
 * trusts: quota/README.md says what this promises.
 *
 * Backing files of what is written are opened by a private copy of upper's
 * mount that has a fanotify mark (FAN_PRE_ACCESS). Far from the limits the
 * mark ignores everything, and usage is polled; near one it asks before every
 * read and write of those files (windowrun.h), those that are open too.
 * Nothing of ours is opened by that mount but to be named (O_PATH): we never
 * wait for ourselves.
 *
 * The group and the mount are the keeper's: what waits for an answer when a
 * worker dies is answered by the next one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/overlay.h"
#include "quota/charge.h"

struct window;

/*
 * A window of `size` bytes for what is in `upper`, a path that `upperfd` has
 * open; or with fds[0] >= 0 that of these descriptors, which are taken.
 * -EOPNOTSUPP: neither this kernel nor filesystem can, -EPERM, -errno; err
 * says it.
 */
struct window_config {
	const char *upper;
	int upperfd;
	uint64_t size;
	int fds[2];
};
int window_new(struct window **out, const struct window_config *cfg, char *err,
	       size_t errlen);
void window_free(struct window *w);
/* The group's and the mount's descriptor, borrowed; -1 without a window. */
void window_fds(const struct window *w, int fds[2]);

/*
 * Ask before everything, until a worker says otherwise: there is none now. By
 * the keeper, with the descriptors of window_fds().
 */
void window_bar(const int fds[2]);

/* All that follows is for any thread; `w` NULL is no window. */

/* Is everything asked for at the moment? */
bool window_asks(const struct window *w);
/* May files of that owner be written by passthrough? */
bool window_is_far(struct overlay *o, struct charge_owner owner);
/* The file of `fd` by the marked mount, O_PATH. -errno. */
int window_path(const struct window *w, int fd);
/* One was opened for writing by passthrough: its handle is in the table. */
void window_opened(struct overlay *o, struct inode *i);
/* Limits were changed. */
void window_changed(struct window *w);

#endif
