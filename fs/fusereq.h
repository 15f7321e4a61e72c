/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEREQ_H
#define VEFS_FS_FUSEREQ_H

/*
 * fusereq - what the files of the FUSE floor share; nobody else includes it.
 *
 * Every operation has the same shape: pin the inodes that the request names,
 * call the overlay, answer. Errors are negative everywhere else; fusereq_err()
 * turns the sign. We are the only writer, so what the kernel was told stays
 * true until it changes it itself: times to live are endless, also those of
 * names that do not exist.
 */
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 18)
#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "fs/create.h"
#include "fs/fuse.h"
#include "fs/overlay.h"

struct fuse_server {
	struct overlay *o;
	struct slot_table *slots;
	struct fuse_session *se;
	int fd;
	bool ready;
	bool silent;		  /* what is answered was answered before */
	_Atomic unsigned listing; /* answers that name inodes without a slot */
	bool no_opendir;
	double ttl;
};

struct fuse_server *fusereq_server(fuse_req_t req);
struct overlay *fusereq_overlay(fuse_req_t req);

/*
 * Set for the request that this thread handles: an access ACL that is set by
 * somebody outside the file's group takes setgid away.
 */
extern _Thread_local bool fusereq_acl_kills_sgid;

/* Answer with an error, `r` <= 0. */
void fusereq_err(fuse_req_t req, int r);

/* An inode named by a request, for one scope; NULL was answered. */
#define FUSEREQ_PIN(var, req, ino)                                             \
	OVERLAY_PIN(var, fusereq_overlay(req));                                \
	(var).inode = itable_get(fusereq_overlay(req)->inodes, (ino));         \
	if (!(var).inode) {                                                    \
		fusereq_err(req, -ESTALE);                                     \
		return;                                                        \
	}

/* How long the kernel may believe an inode's attributes, in seconds. */
double fusereq_ttl(fuse_req_t req, struct inode *i);

/* Tell the kernel of `i` once more; the caller takes it back on failure. */
void fusereq_fill(fuse_req_t req, struct inode *i, const struct stat *st,
		  struct fuse_entry_param *e);
void fusereq_entry(fuse_req_t req, struct inode *i, const struct stat *st);
void fusereq_attr(fuse_req_t req, struct inode *i, const struct stat *st);

/* Who makes what: the request's caller, `mode` with its type. */
struct create_spec fusereq_spec(fuse_req_t req, mode_t mode);

#endif
