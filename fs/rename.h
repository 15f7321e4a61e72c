/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_RENAME_H
#define VEFS_FS_RENAME_H

/* rename - moving a name, directories from below included. */
#include <sys/types.h>

#include "fs/overlay.h"

struct rename_spec {
	struct inode *from_dir, *to_dir; /* borrowed; may be the same */
	const char *from, *to;
	unsigned flags; /* RENAME_NOREPLACE, _EXCHANGE, _WHITEOUT */
	uid_t uid;	/* as shown: whose what RENAME_WHITEOUT leaves is */
	gid_t gid;
};

/*
 * renameat2(2). -EXDEV for a directory with lowers under redirect_dir=off, or
 * whose path below is longer than upper can keep; -ENOSPC and -EDQUOT as of the copies up and of mknod(2),
 * for RENAME_WHITEOUT; otherwise the system call's errors.
 */
int rename_name(struct overlay *o, const struct rename_spec *spec);

#endif
