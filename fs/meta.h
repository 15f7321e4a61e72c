/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_META_H
#define VEFS_FS_META_H

/*
 * meta - what an inode says of itself besides its attributes, wherever that
 * is kept: on a file that can be opened, or in a layer's index (layer.h).
 */
#include "fs/overlay.h"

struct meta {
	int fd;		 /* -1: the layer is asked */
	struct layer *l; /* borrowed */
	struct ref ref;
};

/*
 * Find the inode that has the view's metadata. -errno; meta_close() in every
 * case. Its descriptor, if any, is open for reading or O_PATH.
 */
int meta_open(struct overlay *o, const struct itable_view *v, struct meta *m);
/* The same for the topmost lower inode, wherever upper stands. */
int meta_open_lower(struct overlay *o, const struct itable_view *v,
		    struct meta *m);
void meta_close(struct meta *m);
#define META(name)                                                             \
	__attribute__((cleanup(meta_close))) struct meta name = { .fd = -1 }

int meta_stat(const struct meta *m, struct stat *st);

/* A symlink's target into buf[size], its length; no NUL. */
ssize_t meta_readlink(const struct meta *m, char *buf, size_t size);

/* An attribute by its guest's name, as getxattr(2). */
ssize_t meta_xattr(const struct meta *m, const char *name, void *buf,
		   size_t size);

/*
 * Call `fn` with each name as the guest has it. Its non-zero value ends that
 * and is given back.
 */
int meta_xattrs(const struct meta *m, int (*fn)(void *ctx, const char *name),
		void *ctx);

/* Give `fd`, in upper, all attributes of the inode. */
int meta_copy_xattrs(const struct meta *m, int fd);

#endif
