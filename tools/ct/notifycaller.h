/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NOTIFYCALLER_H
#define VEFS_TOOLS_CT_NOTIFYCALLER_H

/*
 * notifycaller - a thread that waits for the answer to its system call: its
 * memory, and who it is.
 *
 * Its number may be another's at any moment, and an execve() by a neighbour
 * may make another program of it. So: whatever was read of it may be believed
 * once notifycaller_waits() was true *after* reading it, and not before; and
 * its memory, once open, is that of the program that called.
 *
 * Like a debugger, this reads and writes pages that the caller itself may not
 * read or write; what is written is the caller's own copy of such a page.
 */
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/ct/notifyabi.h"

struct notifycaller {
	int listener; /* borrowed */
	uint64_t id;
	const struct notifyabi *abi;
	int proc, mem; /* /proc/TID, its "mem" */
};

#define NOTIFYCALLER_NONE                                                      \
	{                                                                      \
		.listener = -1, .proc = -1, .mem = -1                          \
	}

/* To be closed. -ESRCH: it waits no more. -ENOSYS: a call of an unknown ABI. */
int notifycaller_open(struct notifycaller *c, int listener,
		      const struct seccomp_notif *n);
void notifycaller_close(struct notifycaller *c);

bool notifycaller_waits(const struct notifycaller *c);

/* All of `len` bytes, 0, or -EFAULT. */
int notifycaller_read(const struct notifycaller *c, uint64_t at, void *buf,
		      size_t len);
int notifycaller_write(const struct notifycaller *c, uint64_t at,
		       const void *buf, size_t len);
/* A string with its NUL in buf[len]. -EFAULT, -ENAMETOOLONG. */
int notifycaller_string(const struct notifycaller *c, uint64_t at, char *buf,
			size_t len);

/* Ids as the host has them. */
struct notifycaller_who {
	uid_t euid;
	gid_t egid;
	uint64_t caps; /* effective: bits of CAP_* */
	ino_t userns;  /* number of its user namespace */
	gid_t *groups; /* owned; without egid */
	size_t n_groups;
};

/* -ESRCH: it is gone, -ENOMEM. */
int notifycaller_who(const struct notifycaller *c, struct notifycaller_who *w);
void notifycaller_who_free(struct notifycaller_who *w);
bool notifycaller_in_group(const struct notifycaller_who *w, gid_t gid);

/* The number that it has for itself. -ESRCH. */
int notifycaller_tid(const struct notifycaller *c, uint32_t *tid);

/* Its id of a user (or group) as the host's. -EINVAL: it has no such id. */
int notifycaller_host_id(const struct notifycaller *c, bool group, uint32_t id,
			 uint32_t *host);

/* The device that its descriptor `fd` is on; asks no filesystem. -EBADF. */
int notifycaller_device(const struct notifycaller *c, int fd, dev_t *dev);

#endif
