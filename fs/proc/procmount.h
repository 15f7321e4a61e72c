/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCMOUNT_H
#define VEFS_FS_PROC_PROCMOUNT_H

/*
 * procmount - the mount of a container's virtual files: made before anybody
 * serves it, and put into place afterwards.
 */

/* What /proc/mounts calls it; procnames.own_source. */
#define PROCMOUNT_SOURCE "vefs-proc"

struct procmount {
	int device; /* /dev/fuse, to be served (fs/fuseproc.h) */
	int mount;  /* the detached mount; for open_tree(2), move_mount(2) */
};

/*
 * Make one, for every user of the machine to read. Needs CAP_SYS_ADMIN in the
 * initial user namespace. 0 or -errno.
 */
int procmount_new(struct procmount *out);
void procmount_close(struct procmount *m);

/* Put it on a directory. 0 or -errno. */
int procmount_attach(const struct procmount *m, const char *target);

/*
 * A file or a directory of it, "proc/meminfo", as a detached mount of its own:
 * a descriptor, or -errno. Somebody must be serving. It may be handed to a
 * process in other namespaces. Before Linux 6.15 -EINVAL unless the whole is
 * attached in the caller's mount namespace.
 */
int procmount_part(const struct procmount *m, const char *path);

/*
 * The whole into the caller's mount namespace, out of everybody's sight: a
 * namespace that is about to go, with all in it private. `m` becomes another
 * mount of the same, detached; *attached the one that is not.
 */
int procmount_hide(struct procmount *m, int *attached);

/* Put a part over what `name` in `dir` is, itself if that is a symlink. */
int procmount_cover(int part, int dir, const char *name);

#endif
