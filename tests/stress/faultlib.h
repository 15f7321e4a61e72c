/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_FAULTLIB_H
#define VEFS_TESTS_STRESS_FAULTLIB_H

/*
 * faultlib - makes a backing system call of the process that it is preloaded
 * into fail, once, where a test wants it.
 *
 * $FAULT_CONTROL names a file of struct fault_control that both map. While it
 * is armed, calls on the filesystems `devs` are counted by function, and the
 * one asked for fails, or does half. Calls on anything else, the FUSE device
 * above all, pass; without the file, and not armed, everything does.
 *
 * Whoever arms sets everything else first; `armed` is stored last. Memory,
 * close(2) and calls that libc makes inside (opendir's fstat) are not touched.
 */
#include <stdatomic.h>
#include <stdint.h>

/* What can go wrong with a call: which errors are tried. */
enum fault_class {
	FAULT_LOOKS,   /* reads metadata */
	FAULT_OPENS,   /* makes a descriptor */
	FAULT_GROWS,   /* needs space */
	FAULT_CHANGES, /* needs next to none */
	FAULT_SYNCS,
	FAULT_READS,  /* may be short */
	FAULT_WRITES, /* needs space, may be short */
};

/* ID, the name in reports, the class. Several functions may be one call. */
#define FAULT_CALL_LIST(X)                                                     \
	X(OPEN, "open", OPENS)                                                 \
	X(CREATE, "open-create", GROWS)                                        \
	X(OPEN_HANDLE, "open_by_handle", OPENS)                                \
	X(NAME_HANDLE, "name_to_handle", LOOKS)                                \
	X(DUP, "dup", OPENS)                                                   \
	X(STAT, "stat", LOOKS)                                                 \
	X(STATX, "statx", LOOKS)                                               \
	X(STATFS, "statfs", LOOKS)                                             \
	X(READLINK, "readlink", LOOKS)                                         \
	X(OPENDIR, "fdopendir", LOOKS)                                         \
	X(READDIR, "readdir", LOOKS)                                           \
	X(LSEEK, "lseek", LOOKS)                                               \
	X(READ, "read", READS)                                                 \
	X(WRITE, "write", WRITES)                                              \
	X(COPY_RANGE, "copy_file_range", WRITES)                               \
	X(CLONE, "clone", GROWS)                                               \
	X(IOCTL, "ioctl", CHANGES)                                             \
	X(TRUNCATE, "truncate", GROWS)                                         \
	X(FALLOCATE, "fallocate", GROWS)                                       \
	X(SYNC, "sync", SYNCS)                                                 \
	X(MKDIR, "mkdir", GROWS)                                               \
	X(MKNOD, "mknod", GROWS)                                               \
	X(SYMLINK, "symlink", GROWS)                                           \
	X(LINK, "link", GROWS)                                                 \
	X(RENAME, "rename", GROWS)                                             \
	X(UNLINK, "unlink", CHANGES)                                           \
	X(CHOWN, "chown", GROWS)                                               \
	X(CHMOD, "chmod", CHANGES)                                             \
	X(UTIMES, "utimes", CHANGES)                                           \
	X(GETXATTR, "getxattr", LOOKS)                                         \
	X(LISTXATTR, "listxattr", LOOKS)                                       \
	X(SETXATTR, "setxattr", GROWS)                                         \
	X(REMOVEXATTR, "removexattr", CHANGES)

#define FAULT_ID(id, name, class) FAULT_##id,
enum fault_call { FAULT_CALL_LIST(FAULT_ID) FAULT_CALLS };
#undef FAULT_ID

enum fault_mode {
	FAULT_ERROR,	 /* the call fails */
	FAULT_SHORT,	 /* it does half of what it is asked to */
	FAULT_SHORT_ERR, /* half, and the next one fails */
	FAULT_STICKY,	 /* it fails, and so do all that follow */
};

#define FAULT_DEVS 4
#define FAULT_FRAMES 16

struct fault_control {
	_Atomic uint32_t armed;
	uint32_t call; /* enum fault_call; FAULT_CALLS: only count */
	uint32_t nth;  /* from 1, counted since arming */
	uint32_t mode; /* enum fault_mode */
	int32_t error; /* errno */
	uint64_t devs[FAULT_DEVS]; /* st_dev of the backing filesystems, or 0 */

	_Atomic uint32_t seen[FAULT_CALLS]; /* calls since arming */
	_Atomic uint32_t fired;		    /* how many were changed */
	_Atomic int32_t pid;		    /* who called last */
	_Atomic uint32_t pids;		    /* how often that changed */
	/* Where the first that was changed was called from. */
	uint32_t n_frames;
	uint64_t frames[FAULT_FRAMES]; /* offsets in the program; 0: not in it */
};

#endif
