/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_DIRSNAP_H
#define VEFS_FS_DIRSNAP_H

/*
 * dirsnap - listing directories, without open directories: every call says
 * where it goes on.
 *
 * A directory that is upper's alone is read straight through, with the
 * cookies of upper's filesystem. One with something below is merged once into
 * a snapshot sorted by a hash of the names, and the cookie is the hash: a
 * position keeps its meaning when the directory is read again later, by
 * another process of ours, and when it is copied up meanwhile. Snapshots live
 * until their end has been read; a few are kept for those who stop before.
 */
#include "fs/overlay.h"

struct dirsnap_cache;

struct dirsnap_cache *dirsnap_cache_new(void);
void dirsnap_cache_free(struct dirsnap_cache *c);

struct dirsnap_entry {
	const char *name;
	uint64_t ino;
	unsigned type;	 /* DT_ */
	uint64_t cookie; /* where the entry after this one is */
};

/*
 * Positive: no room, this entry comes again next time. Negative: an error,
 * which dirsnap_read() gives back.
 */
typedef int (*dirsnap_emit_fn)(void *ctx, const struct dirsnap_entry *e);

/*
 * Emit from `cookie` on (0: the start, "." and ".." first) until the end or
 * until the emitter is full. With `exact_ino` false the numbers may be those
 * of upper's own inodes (the caller looks each name up anyway).
 */
int dirsnap_read(struct overlay *o, struct inode *dir, uint64_t cookie,
		 bool exact_ino, dirsnap_emit_fn emit, void *ctx);

/*
 * The number that a name in `dir` shows, for one that cannot be looked up;
 * *ino stays where it is not known to be another.
 */
void dirsnap_ino(struct overlay *o, struct inode *dir, const char *name,
		 uint64_t *ino);

/* Names in `dir` changed: who starts from the beginning sees that. */
void dirsnap_changed(struct overlay *o, struct inode *dir);

/*
 * Is the merged directory empty? 1, 0, -errno.
 */
int dirsnap_is_empty(struct overlay *o, const struct itable_view *dir);

#endif
