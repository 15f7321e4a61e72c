/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_ATTR_H
#define VEFS_FS_ATTR_H

/*
 * attr - what an inode looks like from outside.
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

/* Shape what a layer says of the inode of a view. */
void attr_shape_view(struct overlay *o, const struct itable_view *v,
		     struct stat *st);

/* As attr_get(), by an open descriptor of its metadata. */
int attr_of_fd(struct overlay *o, const struct itable_view *v, int fd,
	       struct stat *st);

/* Birth time too, where the layer's filesystem tells; else mask lacks it. */
int attr_statx(struct overlay *o, struct inode *i, struct statx *sx);

/*
 * Is its metadata in a layer's index, where no descriptor has it? Then
 * attr_open_meta() is for regular files' data only; see meta.h.
 */
bool attr_is_detached(const struct overlay *o, const struct itable_view *v);

/* An O_PATH descriptor of what shows the inode's metadata. */
int attr_open_meta(struct overlay *o, const struct itable_view *v, int flags);

/*
 * A write happened or is coming: setuid, setgid, capabilities fall. 1 if there
 * were any, 0, or -errno.
 */
int attr_kill_priv(int fd);

#endif
