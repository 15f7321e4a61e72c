/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_UPPER_H
#define VEFS_FS_UPPER_H

/*
 * upper - the writable layer: publishing, covering and retiring names so that
 * a crash at any point leaves the old state or the new one.
 *
 * Names are single components in directories given by descriptor; `work` is
 * where things are made before they get their name and taken apart after they
 * lost it. Nothing here merges: whether something lies below is the caller's
 * knowledge.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs/fdcache.h"
#include "fs/layer.h"
#include "fs/options.h"
#include "fs/workdir.h"

struct upper;

#define UPPER_TMP_MAX 24

/*
 * Take `w` over (in every case). The upper directory becomes a layer that the
 * caller frees; it must outlive the upper. 0 or -errno with a sentence.
 */
int upper_new(struct upper **out, struct workdir *w, enum options_fsync fsync,
	      struct fdcache *fds, char *err, size_t errlen);
void upper_free(struct upper *u);

struct layer *upper_layer(const struct upper *u);
/* The descriptors of its workdir, in that order; borrowed. */
void upper_fds(const struct upper *u, int fds[WORKDIR_FDS]);
int upper_workfd(const struct upper *u);
int upper_indexfd(const struct upper *u);

/* A name that is free in work. */
const char *upper_tmpname(struct upper *u, char buf[UPPER_TMP_MAX]);

/*
 * Make an inode of the kind of `like` in work, the daemon's own and empty; a
 * symlink with that target. Returns a descriptor (O_RDWR of a file, O_PATH of
 * what cannot be opened) and its name in `tmp`, or -errno and nothing is left.
 */
int upper_make(struct upper *u, const struct stat *like, const char *target,
	       char tmp[UPPER_TMP_MAX]);

/*
 * The four that follow leave syncing the directory to their callers, who first
 * note what has happened: upper_sync_names().
 */

/* Put a whiteout where there is no name yet. */
int upper_whiteout(struct upper *u, int dirfd, const char *name);

/* Put a whiteout in place of a name; what was there is gone for good. */
int upper_cover(struct upper *u, int dirfd, const char *name, bool is_dir);

/* Remove a directory that holds nothing but whiteouts. */
int upper_retire_dir(struct upper *u, int dirfd, const char *name);

/*
 * Move `tmp` in `fromfd` (work, or a scratch directory) to `name`. With
 * `over_whiteout` a whiteout stands there, else nothing: -EEXIST if something
 * else does.
 */
struct upper_place {
	int dirfd;
	const char *name;
	bool over_whiteout;
};
int upper_publish(struct upper *u, int fromfd, const char *tmp, bool is_dir,
		  const struct upper_place *to);

/* Throw `tmp` in work away, all of it; a failure is left to upper_free(). */
void upper_discard(struct upper *u, const char *tmp);

/* Throw all of that away: a predecessor's. */
int upper_sweep(struct upper *u);

/*
 * A directory in work in which new inodes inherit what they would inherit in
 * `dirfd` (group, default ACL): work itself when that is nothing. Returns a
 * descriptor; its name, or "", in `tmp` for upper_scratch_end().
 */
int upper_scratch(struct upper *u, int dirfd, char tmp[UPPER_TMP_MAX]);
void upper_scratch_end(struct upper *u, const char *tmp);

/*
 * Sync as configured: data before it gets a name; with fsync=strict the owner,
 * mode and marks as well, and the directory after.
 */
int upper_sync_data(const struct upper *u, int fd);
int upper_sync_marks(const struct upper *u, int fd);
int upper_sync_dir(const struct upper *u, int dirfd);
/*
 * The same after a change that is there and that the kernel must not be told
 * to have failed: an error is only logged.
 */
void upper_sync_names(const struct upper *u, int dirfd);
/* fsync(2) asked for by the guest. */
int upper_sync_asked(const struct upper *u, int fd, bool datasync);

#endif
