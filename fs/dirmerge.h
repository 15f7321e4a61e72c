/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_DIRMERGE_H
#define VEFS_FS_DIRMERGE_H

/*
 * dirmerge - all names of a merged directory at one moment, sorted by cookie.
 */
#include "fs/overlay.h"

struct dirmerge;

struct dirmerge_entry {
	const char *name; /* lives as long as the dirmerge */
	uint64_t ino;	  /* of the layer's inode, outward form */
	uint64_t cookie;  /* >= 2; the same name has the same, always */
	unsigned type;	  /* DT_ */
	bool upper;	  /* it is in upper */
};

/* Read every layer of `dir`. 0 or -errno. */
int dirmerge_new(struct dirmerge **out, struct overlay *o,
		 const struct itable_view *dir);
void dirmerge_free(struct dirmerge *m);

/* The index of the first entry whose cookie is not below `cookie`. */
size_t dirmerge_seek(const struct dirmerge *m, uint64_t cookie);

/* The entry at an index; false behind the last. */
bool dirmerge_get(const struct dirmerge *m, size_t index,
		  struct dirmerge_entry *out);

#endif
