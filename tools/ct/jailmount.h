/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_JAILMOUNT_H
#define VEFS_TOOLS_CT_JAILMOUNT_H

/*
 * jailmount - mounts as descriptors: made detached, attached below a
 * descriptor. No path given here is followed through a symlink or out of the
 * directory that it is below. All return 0, a descriptor or -errno.
 */
#include <stdint.h>
#include <sys/mount.h>
#include <sys/types.h>

struct jailmount_option {
	const char *key;
	const char *value; /* NULL: a flag */
};

/*
 * A new instance of a filesystem with MOUNT_ATTR_* `attr`. `option` ends with
 * an empty one, or is NULL.
 */
int jailmount_new(const char *type, uint64_t attr,
		  const struct jailmount_option *option);

/*
 * What is at `path` below `dir` ("": itself), O_PATH or for `flags`; mounts on
 * the way are gone through, symlinks are -ELOOP.
 */
int jailmount_open(int dir, const char *path, int flags);

/* The directory at `path` below `dir`, O_PATH, made where it is missing. */
int jailmount_dir(int dir, const char *path, mode_t mode);

/* The mount that `at` is on, from `at` down, once more and detached. */
int jailmount_clone(int at);

/* Set and clear MOUNT_ATTR_* of one mount. */
int jailmount_attr(int mount, uint64_t set, uint64_t clear);

/*
 * A detached mount once more, with its flags (nodev) locked: the root of a
 * user namespace cannot take them off again, however it remounts it. The
 * kernel locks them only when a mount namespace is copied into another user
 * namespace, so a process does that and is gone. `mount` is of no further use.
 * -EOPNOTSUPP: there are no user namespaces to be had.
 */
int jailmount_locked(int mount);

/*
 * The directory `path` on a detached mount that is read-only for good: a
 * program that is run from there cannot be written to through /proc/PID/exe,
 * not even by the host's root in a container (CVE-2019-5736).
 */
int jailmount_readonly(const char *path);

/* Attach a detached mount on what `at` names. */
int jailmount_attach(int mount, int at);

#endif
