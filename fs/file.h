/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FILE_H
#define VEFS_FS_FILE_H

/*
 * file - open files and their data.
 *
 * `fh` is a handle's number (htable.h). Counts and offsets are bytes.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "fs/overlay.h"

struct file_opened {
	uint64_t fh;
	int backing_id; /* > 0: passthrough */
	bool keep_cache;
	bool direct; /* read and write come to us, mmap does not */
};

/*
 * Open `i` with open(2)'s `flags`. Writing copies up; O_TRUNC truncates, and
 * `kill_priv` drops setuid, setgid and capabilities then. -ESTALE: the name
 * must be looked up again, it has a new nodeid from now on (iomode.h).
 */
int file_open(struct overlay *o, struct inode *i, int flags, bool kill_priv,
	      struct file_opened *out);

/* A file that was just created; `fd` is taken in every case. */
int file_adopt(struct overlay *o, struct inode *i, int flags, int fd,
	       struct file_opened *out);

void file_release(struct overlay *o, uint64_t fh);

ssize_t file_read(struct overlay *o, uint64_t fh, void *buf, size_t size,
		  off_t off);
/* `sync`: 0, RWF_DSYNC or RWF_SYNC, as for pwritev2(2). */
ssize_t file_write(struct overlay *o, uint64_t fh, const void *buf, size_t size,
		   off_t off, int sync);
/*
 * Before a write of somebody who may not keep them: setuid, setgid and
 * capabilities fall. 1 if there were any, 0, or -errno.
 */
int file_kill_priv(struct overlay *o, struct inode *i, uint64_t fh);
int file_fsync(struct overlay *o, uint64_t fh, bool datasync);
int file_fallocate(struct overlay *o, uint64_t fh, int mode, off_t off,
		   off_t len);
off_t file_lseek(struct overlay *o, uint64_t fh, off_t off, int whence);
ssize_t file_copy_range(struct overlay *o, uint64_t from, off_t off_from,
			uint64_t to, off_t off_to, size_t len);

/* A descriptor to write `fh` by, borrowed; for ftruncate. -EBADF, -errno. */
int file_fd(struct overlay *o, uint64_t fh);

#endif
