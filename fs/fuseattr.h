/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEATTR_H
#define VEFS_FS_FUSEATTR_H

/*
 * fuseattr - libfuse's operations on attributes, extended ones too; see
 * struct fuse_lowlevel_ops for what each is asked.
 */
#include "fs/fusereq.h"

void fuseattr_getattr(fuse_req_t req, fuse_ino_t ino,
		      struct fuse_file_info *fi);
void fuseattr_statx(fuse_req_t req, fuse_ino_t ino, int flags, int mask,
		    struct fuse_file_info *fi);
void fuseattr_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		      int valid, struct fuse_file_info *fi);
void fuseattr_readlink(fuse_req_t req, fuse_ino_t ino);
void fuseattr_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		       size_t size);
void fuseattr_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void fuseattr_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		       const char *value, size_t size, int flags);
void fuseattr_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
void fuseattr_statfs(fuse_req_t req, fuse_ino_t ino);

#endif
