/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEPROC_H
#define VEFS_FS_FUSEPROC_H

/*
 * fuseproc - serves the files of fs/proc by FUSE, on two mounts made with
 * fs/proc/procmount.h that have the same tree:
 *
 *	shared	without opening: the kernel's cache answers most reads, and
 *		asks us when what it has is older than a file's time to live.
 *	opened	for the files that depend on who reads them, and for those
 *		that nobody reads often; each opening has its own text. The
 *		others' are empty there, and its are empty in `shared`.
 *
 * The tree is the same, so that a runtime which knows of one directory only
 * can be given `shared` with the files of `opened` bound over it.
 *
 * The server keeps nothing that it needs: one that is killed is replaced by
 * running another on the same descriptors with the same state.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/proc/procfiles.h"
#include "fs/proc/procview.h"
#include "fs/proc/source.h"

enum { FUSEPROC_SHARED, FUSEPROC_OPENED, FUSEPROC_MOUNTS };

#define FUSEPROC_INIT_MAX 256u

/*
 * What outlives a server, in shared memory, all zero at first: see shm.h,
 * shm_new(&shm, "vefs-proc", sizeof(struct fuseproc_state)). Pages that are
 * not touched cost nothing. One server at a time.
 */
struct fuseproc_state {
	struct {
		uint32_t begun;
		uint32_t len; /* of the INIT request; 0: none yet */
		unsigned char init[FUSEPROC_INIT_MAX];
	} mount[FUSEPROC_MOUNTS];
	_Atomic uint32_t ready; /* bits 1 << mount: it is served */
	_Atomic int error;	/* why the last server ended, -errno */
	struct procstate numbers;
};

struct fuseproc_config {
	struct source_config source; /* its `state` is set by us */
	struct procnames names;	     /* its strings live on */
	uid_t uid; /* the host's id of the container's root: */
	gid_t gid; /* whose the files are */
	struct fuseproc_state *state;
	int device[FUSEPROC_MOUNTS]; /* borrowed; not used for anything else */
	int stop;  /* when this can be read, end; -1: never; borrowed */
	int ready; /* an eventfd that is told once all is served; -1 */
	/* A directory where beancounters are noted now and then (ubckept.h), if
	 * they change and somebody reads them; -1: nowhere; borrowed. */
	int kept;
};

/*
 * Serve until both mounts are gone, or `stop`: 0. -errno: what it needs is not
 * there (a group, memory, the state is another version's). Has one thread more
 * while it runs. No wake-ups while nobody reads.
 */
int fuseproc_run(const struct fuseproc_config *cfg);

#endif
