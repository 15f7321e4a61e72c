/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_WORKDIR_H
#define VEFS_FS_WORKDIR_H

/*
 * workdir - opening an upper directory and its work directory as a pair.
 *
 * Both are opened below one private copy of their common mount, because a
 * rename between two mounts is refused even on one filesystem. They are
 * locked against a second daemon, and what a crash left in work/ is removed.
 * fs/FORMAT.md has the layout.
 */
#include <stddef.h>

struct workdir {
	int upperfd; /* the upper directory */
	int workfd;  /* WORK/work: things on their way in or out */
	int indexfd; /* WORK/index: lower hard links that were copied up */
	int lockfd;  /* WORK itself, holds the lock */
	int layerfd; /* upperfd once more, for upper's layer to own; or -1 */
};

#define WORKDIR_FDS 5

#define WORKDIR_NONE                                                           \
	((struct workdir){ .upperfd = -1,                                      \
			   .workfd = -1,                                       \
			   .indexfd = -1,                                      \
			   .lockfd = -1,                                       \
			   .layerfd = -1 })

/*
 * Open and lock. Returns 0, or -errno with a sentence in err[errlen]:
 * -ENOENT and -ENOTDIR as the system says, -EXDEV when the two are not in one
 * mount, -EBUSY when another mount has them, -ENOTEMPTY when work holds what
 * is not ours, -EINVAL when one lies in the other.
 */
int workdir_open(struct workdir *out, const char *upper, const char *work,
		 char *err, size_t errlen);

void workdir_close(struct workdir *w);

/* Remove `name` in `dirfd` and all below it. -ENOENT is success. */
int workdir_remove(int dirfd, const char *name);

#endif
