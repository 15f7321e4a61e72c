/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEDIR_H
#define VEFS_FS_FUSEDIR_H

/*
 * fusedir - libfuse's operations on directories as a whole; see struct
 * fuse_lowlevel_ops for what each is asked.
 */
#include "fs/fusereq.h"

void fusedir_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fusedir_releasedir(fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *fi);
void fusedir_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		      struct fuse_file_info *fi);
void fusedir_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi);
void fusedir_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			 struct fuse_file_info *fi);

#endif
