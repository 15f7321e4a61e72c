/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_CREDS_H
#define VEFS_FS_BASE_CREDS_H

/*
 * creds - making new inodes as somebody else, by the thread that does it.
 *
 * Owner, group of a setgid directory, umask and default ACLs then come out as
 * the filesystem below knows best, in the one system call that creates.
 */
#include <stdbool.h>
#include <sys/types.h>

/*
 * Prepare the calling thread: its umask becomes its own and changing its
 * filesystem ids leaves its capabilities alone. 0 or -errno; without the
 * rights for that, creating falls back on what the ids may do.
 */
int creds_thread_init(void);

/*
 * The calling thread, and those it makes, have CAP_SYS_RESOURCE no more until
 * they execute a program: disk quotas hold for them as well. 0 or -errno.
 */
int creds_drop_resource(void);

/* What is to be taken back. */
struct creds {
	bool uid, gid, mask;
};

/*
 * Create as uid:gid with `mask` from here on, until creds_leave(). A thread
 * that does this keeps its effective ids for good.
 */
void creds_enter(struct creds *saved, uid_t uid, gid_t gid, mode_t mask);
void creds_leave(const struct creds *saved);

#endif
