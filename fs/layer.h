/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_LAYER_H
#define VEFS_FS_LAYER_H

/*
 * layer - what the overlay asks of anything that it can lay below or on top:
 * finding, reading and listing. A directory tree is one kind (dirlayer.h); an
 * index with an object pool can be another. Who implements it shows only
 * whole inodes: forms of a whiteout are told apart here, merging is above.
 *
 * All functions are safe to call from many threads, give 0, a count or a
 * descriptor, or -errno, and never follow a symlink.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs/ref.h"

struct layer;

/* What a layer knows of one name. */
struct layer_entry {
	struct ref ref;
	struct stat st;
	uint64_t ino;  /* outward; not st_ino where a record says so */
	bool metacopy; /* only the metadata is here, the data further down */
	bool recorded; /* `ino` is that of the inode it was copied from */
};

/* What a directory says about the layers below it. */
struct layer_marks {
	bool opaque;	/* nothing below shows through */
	bool impure;	/* some child has a record (fs/FORMAT.md) */
	char *redirect; /* look there instead, or NULL; allocated */
};

/* One name of a listing; `type` is a DT_ value. Non-zero ends the listing. */
typedef int (*layer_emit_fn)(void *ctx, const char *name, uint64_t ino,
			     unsigned type);

struct layer_ops {
	/* The layer's root directory. */
	int (*root)(struct layer *l, struct layer_entry *out);
	/*
	 * `name` in the directory `dir`. -ENOENT: nothing here, ask below;
	 * -ENODATA: a whiteout, nothing below counts.
	 */
	int (*lookup)(struct layer *l, const struct ref *dir, const char *name,
		      struct layer_entry *out);
	/* The marks of a directory; on success the caller owns `redirect`. */
	int (*marks)(struct layer *l, const struct ref *dir,
		     struct layer_marks *out);
	/*
	 * All names but "." and "..", each once; whiteouts come as
	 * LAYER_DT_WHITEOUT. The emitter's non-zero value is given back.
	 */
	int (*list)(struct layer *l, const struct ref *dir, layer_emit_fn emit,
		    void *ctx);
	int (*stat)(struct layer *l, const struct ref *r, struct stat *st);
	/*
	 * For an entry with metacopy: where the data is in the layers below,
	 * a path from the root or another name in the same directory, into
	 * path[PATH_MAX]. -ENODATA: nothing is said.
	 */
	int (*redirect)(struct layer *l, const struct ref *r, char *path);
	/*
	 * A descriptor of the inode; O_PATH for what has no data. With `xattr`
	 * below it is good for the data alone, and there is one of regular
	 * files only.
	 */
	int (*open)(struct layer *l, const struct ref *r, int flags);
	/*
	 * NULL, both: a descriptor tells it. Else a symlink's target, without
	 * a NUL; and an attribute by the guest's name as getxattr(2), with
	 * NULL all names as listxattr(2).
	 */
	ssize_t (*readlink)(struct layer *l, const struct ref *r, char *buf,
			    size_t size);
	ssize_t (*xattr)(struct layer *l, const struct ref *r, const char *name,
			 void *buf, size_t size);
	/* A directory on the filesystem that its data is on; borrowed. */
	int (*rootfd)(const struct layer *l);
	/*
	 * NULL, both: a copy of this process goes on with the layer as it is.
	 * Else: open what belongs to a process; let go of it before such a copy
	 * is made.
	 */
	int (*begin)(struct layer *l);
	void (*settle)(struct layer *l);
	void (*free)(struct layer *l);
};

#define LAYER_DT_WHITEOUT 14 /* DT_WHT */

struct layer {
	const struct layer_ops *ops;
	uint8_t index; /* REF_UPPER or 1.., the topmost lower is 1 */
	uint8_t fsidx; /* which filesystem: high byte of inode numbers */
	int own_fd;    /* a descriptor that begin() has made, or -1 */
};

/* The outward inode number of one of the layer's inodes. */
static inline uint64_t layer_ino(const struct layer *l, uint64_t ino)
{
	return l->fsidx ? ino ^ ((uint64_t)l->fsidx << 56) : ino;
}

#endif
