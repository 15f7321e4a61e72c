/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCINSIDE_H
#define VEFS_FS_PROC_PROCINSIDE_H

/*
 * procinside - what a container has mounted, as its first process sees it. Its
 * root may have put anything there: no symlink is followed, nothing is looked
 * up in a filesystem that somebody else answers for, and only a mount of the
 * kind that is asked for is opened. (Who mounts a FUSE filesystem that calls
 * itself vefs makes its own server wait, and nobody else's.)
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/base/strbuf.h"

/*
 * The directory `path` ("dev/pts") of `init`, for reading, if it is on a
 * filesystem of `type` ("devpts"); `host` is the host's /proc. -EXDEV: of
 * another type, or on the way to it; -errno.
 */
int procinside_open(int host, pid_t init, const char *path, const char *type);

/* Its /proc, if that is of its own process ids; -EXDEV: it is not. */
int procinside_proc(int host, pid_t init);

/* Its terminals, if they are of a devpts of its own. */
int procinside_pts(int host, pid_t init);

/* Has `init` a namespace of its own of this kind ("net")? */
bool procinside_has_own(int host, pid_t init, const char *kind);

/* The entries of devpts that are terminals. */
uint64_t procinside_count_ptys(int devpts);

/* The pure parts: is mount `id` of that type, by a mountinfo? Of one that
 * answers by itself? */
bool procinside_is_quick(const char *mountinfo, uint64_t id);
bool procinside_is_type(const char *mountinfo, uint64_t id, const char *type);

#endif
