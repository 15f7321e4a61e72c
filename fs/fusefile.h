/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEFILE_H
#define VEFS_FS_FUSEFILE_H

/*
 * fusefile - libfuse's operations on open files; see struct
 * fuse_lowlevel_ops for what each is asked.
 */
#include "fs/fusereq.h"

void fusefile_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fusefile_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, struct fuse_file_info *fi);
void fusefile_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode,
		      struct fuse_file_info *fi);
void fusefile_release(fuse_req_t req, fuse_ino_t ino,
		      struct fuse_file_info *fi);
void fusefile_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		   struct fuse_file_info *fi);
void fusefile_write(fuse_req_t req, fuse_ino_t ino, const char *buf,
		    size_t size, off_t off, struct fuse_file_info *fi);
void fusefile_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		    struct fuse_file_info *fi);
void fusefile_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
			off_t len, struct fuse_file_info *fi);
void fusefile_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
		    struct fuse_file_info *fi);
void fusefile_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t off_in,
			      struct fuse_file_info *fi_in, fuse_ino_t out,
			      off_t off_out, struct fuse_file_info *fi_out,
			      size_t len, int flags);
void fusefile_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
		    struct fuse_file_info *fi, unsigned flags, const void *in,
		    size_t in_size, size_t out_size);

#endif
