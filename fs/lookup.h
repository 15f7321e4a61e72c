/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_LOOKUP_H
#define VEFS_FS_LOOKUP_H

/*
 * lookup - what the layers together say about a name.
 */
#include <sys/stat.h>

#include "fs/overlay.h"

/* The answer about one name. Owns its refs until lookup_intern() or _end(). */
struct lookup {
	struct stat st; /* as it shows: numbers, links and owner outward */
	uint64_t ino;	/* outward */
	uint32_t flags; /* INODE_ bits for the inode */
	int32_t link_delta;
	struct ref upper;
	struct ref *lower; /* n_lower of them; allocated */
	unsigned n_lower;
	uint64_t moves; /* itable_moves() before the layers were asked */
};

#define LOOKUP_NONE ((struct lookup){ .upper = { .fd = -1 } })

/*
 * Look `name` up in the directory `dir`. 0 with *out filled; -ENOENT when no
 * layer shows it; other -errno as the layers give them. *out must be
 * LOOKUP_NONE or ended before.
 */
int lookup_name(struct overlay *o, const struct itable_view *dir,
		const char *name, struct lookup *out);

/* Does a lower layer alone show `name` here? 1, 0, -errno. */
int lookup_below(struct overlay *o, const struct itable_view *dir,
		 const char *name);

/* The root of the overlay. */
int lookup_root(struct overlay *o, struct lookup *out);

/*
 * Make the answer an inode (pinned), with `parent` and `name` as its place.
 * The refs go over to the table in every case. -EAGAIN: look again.
 */
int lookup_intern(struct overlay *o, struct lookup *l, struct inode *parent,
		  const char *name, struct inode **out);

void lookup_end(struct lookup *l);
#define LOOKUP(name)                                                           \
	__attribute__((cleanup(lookup_end))) struct lookup name = LOOKUP_NONE

/* lookup_name() and lookup_intern() in one, with the attributes in *st. */
int lookup_inode(struct overlay *o, struct inode *parent, const char *name,
		 struct inode **out, struct stat *st);

/*
 * Find the lower file with data that a path of that form names in the layers
 * further down than `above`. -ENOENT, -ESTALE when it is no file.
 */
int lookup_lower_file(struct overlay *o, const char *path, unsigned above,
		      struct layer_entry *out);

/* The name in work/index of a lower inode. */
#define LOOKUP_INDEX_MAX (2 * REF_BYTES + 8)
const char *lookup_index_name(const struct overlay *o, const struct ref *lower,
			      char buf[LOOKUP_INDEX_MAX]);

#endif
