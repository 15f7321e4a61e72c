/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_ATTR_H
#define VEFS_FS_ATTR_H

/*
 * attr - what an inode looks like from outside, and changing it.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "fs/overlay.h"

/* What turns a layer's stat into the overlay's. */
struct attr_shape {
	uint64_t ino;
	uint32_t flags;
	int32_t link_delta;
	unsigned n_lower;
};

/*
 * Directories that have anything below show one link, always: counting
 * subdirectories would mean reading them. `st` is upper's where there is one.
 */
void attr_shape(const struct overlay *o, const struct attr_shape *s,
		struct stat *st);

/*
 * Under xattr_permissions=2 (override.h): what the inode's attribute says goes
 * into *st. 0 or -errno.
 */
int attr_override(struct overlay *o, const struct ref *ref, struct stat *st);

/* The attributes of an inode. 0 or -errno. */
int attr_get(struct overlay *o, struct inode *i, struct stat *st);

/* Birth time too, where the layer's filesystem tells; else mask lacks it. */
int attr_statx(struct overlay *o, struct inode *i, struct statx *sx);

/* What to change; ids are outward ones. */
struct attr_change {
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
int attr_set(struct overlay *o, struct inode *i, const struct attr_change *c,
	     struct stat *st);

/*
 * A write happened or is coming: setuid, setgid, capabilities fall. 1 if there
 * were any, 0, or -errno.
 */
int attr_kill_priv(int fd);

/* It gets setuid, setgid or attributes: look before relying on its having none. */
void attr_not_plain(struct overlay *o, struct inode *i);

/* An O_PATH descriptor of what shows the inode's metadata. */
int attr_open_meta(struct overlay *o, const struct itable_view *v, int flags);

#endif
