/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_JAIL_H
#define VEFS_TOOLS_CT_JAIL_H

/*
 * jail - what holds processes inside: their root, /dev, /proc and /sys, the
 * capabilities that are left to them, and the system calls that are not.
 *
 * jail_dev() and jail_root() are the host's; jail_enter() and what follows run
 * in the new process, in its new namespaces, in the order given here. Those
 * never print: they tell by `why`.
 */
#include <stdint.h>

#include "templates/why.h"
#include "tools/ct/spec.h"

/*
 * A /dev for it: a detached tmpfs with the usual nodes, owned by the
 * container's root, to be moved into place. A descriptor, or -errno.
 */
int jail_dev(const struct spec *s, struct why *why);

/*
 * The devices that it may use beyond the usual ones, for its control group:
 * those of its features and of its configuration. A count, or -ENOMEM; *list is
 * the caller's and not NULL, also when there are none.
 */
int jail_devices(const struct spec *s, struct spec_device **list);

/*
 * The tree at `path` as a detached mount, without what is mounted in it: a
 * descriptor, or -errno. No device in it can be opened, and no root of a user
 * namespace changes that.
 */
int jail_root(const char *path, struct why *why);

/*
 * The host's /sys for one who shares its network from a user namespace and so
 * may mount none: a detached mount without what is mounted in it, or -errno;
 * -ENODATA: it needs none.
 */
int jail_sys(const struct spec *s, struct why *why);

/*
 * Make `root` (jail_root) this mount namespace's root, `dev` its /dev, `sys`
 * (jail_sys; or -1) its /sys, with /proc, /sys (read-only), /dev/pts, /dev/shm, /dev/mqueue, /sys/fs/cgroup
 * (where there is a unified hierarchy), what is the host's own masked and
 * read-only where that matters, and let nothing of the former root remain. The
 * caller is root of its user namespace. No path of the container is followed
 * out of it: its symlinks count for nothing.
 */
int jail_enter(const struct spec *s, int root, int dev, int sys,
	       struct why *why);

/* A pty of the container's own devpts on /dev/console; its master. */
int jail_console(const struct spec *s, struct why *why);

/*
 * Only the capabilities that are left to it, the bounding set too. CAP_SYS_ADMIN
 * goes with the exec, or with jail_filter(), which needs it: both orders work.
 */
int jail_caps(const struct spec *s, struct why *why);

/* The system calls that lead out are refused from here on. */
int jail_filter(const struct spec *s, struct why *why);

/* What is usually left: bits of CAP_*, with and without a user namespace. */
uint64_t jail_usual_caps(const struct spec *s);

/* "sys_time", "CAP_SYS_TIME": its number, or -EINVAL. */
int jail_parse_cap(const char *word);

/* The program that starts it: s->init, or what the root has of /sbin/init, ...
 * Called inside. -ENOENT with what was looked for. argv is s's or static. */
int jail_find_init(const struct spec *s, char *const **argv, struct why *why);

/* The environment of processes begun from outside; static. */
char *const *jail_environment(const struct spec *s);

#endif
