/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_FOOTPRINT_H
#define VEFS_QUOTA_FOOTPRINT_H

/*
 * footprint - what an inode takes.
 *
 * The blocks that are allocated for it, as du(1) counts: data, and what the
 * filesystem says goes with it (st_blocks). Directories, symlinks and
 * attribute blocks count; whiteouts (character devices 0:0) do not, not even
 * as an inode: the container cannot see them. XFS reserves space ahead of a
 * file's end while it grows: not counted, unless somebody asked for it
 * (fallocate(2) marks such files).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* What must be known of the filesystem. */
struct footprint_fs {
	uint32_t block;	  /* bytes in which it allocates */
	bool ahead;	  /* reserves ahead: XFS */
	bool dirs_grow;	  /* directories take blocks as names come */
	bool xattr_block; /* attributes may take a block */
	bool late;	  /* what a file takes is known when it is on disk */
	bool shares;	  /* a copy's blocks, and what has none */
	bool journal;	  /* what came before an fsync of any file is safe */
};

/* Of the filesystem of `fd`. 0 or -errno. */
int footprint_fs(int fd, struct footprint_fs *out);

bool footprint_counts(const struct stat *st);

/*
 * Bytes that the inode takes. `fd` names it, O_PATH is enough; or dirfd and
 * name (of a regular file, not followed). Only looked at where `st` is not
 * enough.
 */
uint64_t footprint_of(const struct footprint_fs *fs, const struct stat *st,
		      int fd);
/*
 * The same of a file that has done nothing but grow since it took `before`;
 * the filesystem is not asked, which could take long while it is written to.
 */
uint64_t footprint_grown(const struct footprint_fs *fs, const struct stat *st,
			 uint64_t before);
uint64_t footprint_at(const struct footprint_fs *fs, const struct stat *st,
		      int dirfd, const char *name);

/*
 * Wait until what the file takes is what it will take: it is written back,
 * where it was changed so lately that it may not be, and *st looked at again.
 * Of no other file: whoever is served by the same disk is not waited for.
 */
void footprint_ripen(const struct footprint_fs *fs, struct stat *st, int dirfd,
		     const char *name);

#endif
