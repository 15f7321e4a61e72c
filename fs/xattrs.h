/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_XATTRS_H
#define VEFS_FS_XATTRS_H

/*
 * xattrs - the attributes that are ours, and those that are the guest's.
 *
 * The overlay keeps its marks in "trusted.overlay.*", the kernel overlayfs's
 * own names, or in "user.overlay.*" where we may not set trusted ones. What a
 * guest calls trusted.overlay.X or user.overlay.X is stored one step away as
 * trusted.overlay.overlay.X, as the kernel does, so that an overlay can be
 * mounted inside ours. fs/FORMAT.md describes every mark.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/xattr.h>

#include "fs/layer.h"

#define XATTRS_OPAQUE "opaque"
#define XATTRS_REDIRECT "redirect"
#define XATTRS_IMPURE "impure"
#define XATTRS_METACOPY "metacopy"
#define XATTRS_WHITEOUT "whiteout"
#define XATTRS_RECORD "vefs"
#define XATTRS_FORMAT "vefs.format"
#define XATTRS_INDEX "vefs.index" /* its name in work/index */
#define XATTRS_TIMES "vefs.times" /* while its data is brought */
#define XATTRS_CAPS "vefs.caps"	  /* the same */

/* What an inode in upper that came from below remembers. */
struct xattrs_record {
	uint64_t ino;	    /* its outward inode number */
	int32_t link_delta; /* links shown = upper's + this (indexed) */
	bool metacopy;	    /* its data is still the lower's */
	bool indexed;	    /* it has a name in work/index */
};

/* Keep marks in user.overlay.* from now on; before any thread starts. */
void xattrs_use_user(bool on);
bool xattrs_uses_user(void);

/* One of the marks above; return values as xattrio's. */
ssize_t xattrs_private_get(int fd, const char *mark, void *buf, size_t size);
ssize_t xattrs_private_getat(int dirfd, const char *name, const char *mark,
			     void *buf, size_t size);
int xattrs_private_set(int fd, const char *mark, const void *buf, size_t size);
/* Removing what is not there is no error. */
int xattrs_private_remove(int fd, const char *mark);
/* Is it there? 1, 0 (nor where the filesystem has none), or -errno. */
int xattrs_private_has(int fd, const char *mark);

/* A directory's marks, both families read. out->redirect is the caller's. */
int xattrs_marks_get(int fd, struct layer_marks *out);
/*
 * Is this a redirect that may be followed: a path from the root, walked name by
 * name, or one plain name?
 */
bool xattrs_redirect_ok(const char *redirect);
/* May regular files in it be whiteouts (opaque "x")? 1, 0 or -errno. */
int xattrs_has_whiteouts(int fd);
/* Does the layer's root say that ".wh." names are plain names? As above. */
int xattrs_is_marked(int fd);

/*
 * The record of `name` in `dirfd`. 1: *out is it; 0: none; -EUCLEAN: damaged
 * or of a newer version. A kernel overlayfs's metacopy mark gives a record
 * with ino 0.
 */
int xattrs_record_getat(int dirfd, const char *name, struct xattrs_record *out);
int xattrs_record_get(int fd, struct xattrs_record *out);
int xattrs_record_set(int fd, const struct xattrs_record *rec);

/* Room for any name on disk. */
#define XATTRS_NAME_MAX 256

/*
 * The name on disk of what the guest calls `guest`: itself or an escaped
 * form in `buf`. NULL: too long.
 */
const char *xattrs_to_disk(const char *guest, char buf[XATTRS_NAME_MAX]);

/*
 * What the guest calls the name `disk`, in `buf` or itself; NULL when it is
 * one of our own marks, which no guest sees.
 */
const char *xattrs_to_guest(const char *disk, char buf[XATTRS_NAME_MAX]);

/*
 * Copy every attribute of `from` that is not one of our marks to `to`, POSIX
 * ACLs and capabilities included. One that upper cannot hold is an error, but
 * for the security ones of a host's own policy (SELinux), and those whose kind
 * upper's filesystem does not know: these are left out.
 */
int xattrs_copy(int from, int to);
/* Has it none but our marks? Not if that cannot be told. */
bool xattrs_is_bare(int fd);

/* One of them, by its name on disk; left out is success. */
int xattrs_put(int to, const char *disk, const void *value, size_t size);

#endif
