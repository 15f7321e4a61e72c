/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_CHANGE_H
#define VEFS_FS_CHANGE_H

/*
 * change - changing an inode's attributes.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "fs/overlay.h"

/* What to change; ids are outward ones. */
struct change {
	bool mode, uid, gid, size, atime, mtime;
	bool kill_priv; /* setuid, setgid and capabilities fall */
	mode_t new_mode;
	uid_t new_uid;
	gid_t new_gid;
	off_t new_size;
	struct timespec times[2]; /* as for utimensat */
	uint64_t fh;		  /* the open file that is truncated, or 0 */
};

/*
 * Change attributes, copying up what is needed. On an error nothing that the
 * error is about has changed. -EROFS without an upper; -EOVERFLOW for an
 * owner outside the id map.
 */
int change_attr(struct overlay *o, struct inode *i, const struct change *c,
		struct stat *st);

/*
 * chown(-1, -1): no owner changes, but as with every chown a file's setuid and
 * setgid fall.
 */
int change_nothing(struct overlay *o, struct inode *i, struct stat *st);

/*
 * Truncate by `fd`, a descriptor of upper's inode. What is to be empty need
 * not have its data there. 0 or -errno, and nothing has changed.
 */
int change_truncate(struct overlay *o, struct inode *i, int fd, off_t size);

/* It gets setuid, setgid or attributes: look before relying on its having none. */
void change_not_plain(struct overlay *o, struct inode *i);

#endif
