/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_PROCSERVE_H
#define VEFS_TOOLS_CT_PROCSERVE_H

/*
 * procserve - a process that serves a container's virtual files
 * (fs/fuseproc.h), for somebody who keeps it: who holds its mounts and its
 * memory, learns of its death like of any child's, and begins another. Readers
 * wait meanwhile and get their answers (kernels before 6.9: those that waited
 * at its death hang until the mounts go).
 */
#include <sys/types.h>

#include "fs/fuseproc.h"
#include "templates/why.h"

struct procserve;

/*
 * Make the mounts, detached, and the first server. Of `cfg` only source, names,
 * uid, gid and kept are used; what they point to lives as long as this. What
 * is in `kept` is read now, and written when it stops. It serves when this
 * returns. The caller is single-threaded, root of the host, and
 * leaves the children that it did not make alone (waitpid by pid).
 */
int procserve_start(struct procserve **out, const struct fuseproc_config *cfg,
		    struct why *why);

/* The server, a child of the caller. */
pid_t procserve_pid(const struct procserve *p);

/* It is dead and reaped: its number is nobody's any more. */
void procserve_reaped(struct procserve *p);

/*
 * After procserve_reaped(): another one, which need not be waited for. The
 * container's init may have become known, or another, meanwhile: `init` as in
 * struct source_config, -1: as before. -EAGAIN: no process; or -errno.
 */
int procserve_again(struct procserve *p, pid_t init);

/*
 * Files of procfiles_table() or directories of procfiles_dirs(), by their
 * paths there, each as a detached mount of its own (fs/proc/procmount.h), into
 * fds[]. They may be asked for again, for another start. 0, or -errno with none
 * of them. A server must be serving.
 */
int procserve_parts(struct procserve *p, const char *const *paths, unsigned n,
		    int *fds);

/* Which of its mounts (FUSEPROC_*) a file or directory is served on. */
unsigned procserve_kind(const char *path);

/* That mount, for whoever opens its files below it; borrowed. */
int procserve_mount(const struct procserve *p, unsigned kind);

/*
 * A pressure file ("cpu", "io", "memory") of a group in the unified hierarchy
 * as a detached mount. It becomes `uid`'s, who may set triggers there, or
 * stays whose it is. -ENOENT: the kernel has none, or -errno.
 */
#define PROCSERVE_NOBODY UINT32_MAX
int procserve_pressure(const char *group, const char *what, uint32_t uid);

/*
 * Put all of it on a directory, lxcfs's layout. procserve_detach() takes it
 * away, lazily. Absolute paths.
 */
int procserve_attach(struct procserve *p, const char *target, struct why *why);
void procserve_detach(const char *target);

/* Tell the server to end, what procserve_stop() waits for. */
void procserve_end(struct procserve *p);

/*
 * End the server, let go of the mounts: what is still bound of them answers
 * with ENOTCONN from now on.
 */
void procserve_stop(struct procserve *p);

#endif
