/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_DIRLAYER_H
#define VEFS_FS_DIRLAYER_H

/*
 * dirlayer - a directory tree as a layer (layer.h).
 *
 * The tree is reached through a private, detached copy of its mount: mounts
 * that somebody puts into it are not seen, and for a lower the copy is
 * read-only and leaves access times alone. Without the right to make such a
 * copy the directory itself is used.
 */
#include <stddef.h>
#include <sys/stat.h>

#include "fs/fdcache.h"
#include "fs/layer.h"

struct dirlayer_config {
	const char *path; /* the directory, in our own namespace; or NULL and */
	int rootfd;	  /* the open directory itself, taken on success */
	uint8_t index;	  /* REF_UPPER: writable */
	uint8_t fsidx;
	struct fdcache *fds; /* borrowed, outlives the layer */
};

/*
 * Open the tree. 0 with *out owned (freed by its ops->free), or -errno with a
 * sentence in err[errlen].
 */
int dirlayer_new(struct layer **out, const struct dirlayer_config *cfg,
		 char *err, size_t errlen);

/* The root's descriptor, borrowed. */
/* Stat one of its inodes, with the links that it shows. */
int dirlayer_stat(struct layer *l, int fd, struct stat *st);

int dirlayer_rootfd(const struct layer *l);

/*
 * The directory `dirfd` by a mount of its own, read-only and without access
 * times, where that can be had. A descriptor or -errno.
 */
int dirlayer_private(int dirfd);

/* Set after all layers are known: which filesystem this one is on. */

/* Nothing lies below this layer: its whiteouts hide nothing. */
void dirlayer_set_bottom(struct layer *l);

/* Are names ".wh.X" whiteouts here (true), or plain names? */
bool dirlayer_wh_names(const struct layer *l);
void dirlayer_set_wh_names(struct layer *l, bool on);

/*
 * Borrow the open directory `dir`; give it back with fdcache_put(). Returns 0
 * or -errno.
 */
int dirlayer_dir(struct layer *l, const struct ref *dir,
		 struct fdcache_ent **out);

/*
 * The ref of the inode that `fd` (O_PATH allowed) names. Where the filesystem
 * has no handles a duplicate of `fd` pins it, owned by *out.
 */
int dirlayer_ref_fd(struct layer *l, int fd, uint64_t ino, struct ref *out);

/* The same for `name` in `dirfd`. */
int dirlayer_ref_at(struct layer *l, int dirfd, const char *name, uint64_t ino,
		    struct ref *out);

/* Is this a whiteout (device 0:0)? */
static inline bool dirlayer_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Close what a ref pins, if anything. */
void dirlayer_ref_close(struct ref *r);

#endif
