/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGROUP_H
#define VEFS_TOOLS_CT_CGROUP_H

/*
 * cgroup - a container's groups, on v1, v2 and both at once.
 *
 *	vefs/NAME		what it all counts against: shares, CPU, I/O
 *	vefs/NAME/payload	its processes: memory, processes, devices,
 *				frozen or not; handed over to its root on v2
 *	vefs/NAME/daemon	those that serve it. At its limits, frozen or
 *				full, the container still has a filesystem.
 *
 * v1's blkio knows no sums of groups: there all are in vefs/NAME itself.
 *
 * Errors come as -errno with a sentence in `why`.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "templates/why.h"
#include "tools/ct/spec.h"

struct cgroup;

enum cgroup_part { CGROUP_PAYLOAD, CGROUP_DAEMON };

/*
 * Make them, or open those that are there (`make` false: -ENOENT where there
 * is none). Nothing is left of them after an error. With `owner` not 0 the
 * payload's group in the unified hierarchy is that user's to divide.
 */
int cgroup_open(struct cgroup **out, const char *name, bool make,
		uint32_t owner, struct why *why);
void cgroup_free(struct cgroup *g);
static inline void cgroup_freep(struct cgroup **g)
{
	cgroup_free(*g);
}

/*
 * All of these limits, in an order that the kernel takes whether they rise or
 * fall; what is not given is left as it is, SPEC_UNLIMITED lifts it. On an
 * error all are as they were. -EOPNOTSUPP: no controller for what was given
 * (only a warning in `why` and 0 for those in `may_lack`, bits of spec_number).
 * -EBUSY: more memory is in use than the new limit, and cannot be freed; nobody
 * is killed for it. -EINVAL, -ERANGE: no limit to the kernel, no such CPU.
 *
 * Limits on I/O are of the disks that there are now.
 */
int cgroup_set(struct cgroup *g, const struct spec_limits *l, uint32_t may_lack,
	       struct why *why);

/*
 * What processes inside may open: these and the usual ones, or all
 * (`devices` NULL). On v2 by a program. Before anything runs in it, and any
 * time later.
 */
int cgroup_devices(struct cgroup *g, const struct spec_device *devices,
		   size_t n, struct why *why);

/*
 * Bring a process in, everywhere. Where the container has divided its group
 * (v2) a process comes into one beside its own parts.
 */
int cgroup_attach(struct cgroup *g, enum cgroup_part part, pid_t pid,
		  struct why *why);

/*
 * Like fork(), of a process with one thread, -errno; but the child is in this
 * part of the unified hierarchy from the start, which costs nothing, where it
 * can be (`part` -1: in the topmost group). cgroup_enter() in it does the rest.
 * `flags` are more of clone3(2)'s: CLONE_PARENT.
 */
pid_t cgroup_fork(const struct cgroup *g, int part, uint64_t flags);

/*
 * The calling process, which has one thread, itself: at once, where moving
 * another costs 5 to 15 ms (v1). In the unified hierarchy it is left where it
 * was started (CLONE_INTO_CGROUP) if that is in this part, else moved at that
 * price. It needs to be the host's root in name only: a process that has just
 * been cloned into a user namespace can.
 */
int cgroup_enter(struct cgroup *g, enum cgroup_part part, struct why *why);

/* Out again, to the topmost groups; the same. */
int cgroup_leave(const struct cgroup *g, struct why *why);

/* The payload's directory in the unified hierarchy, borrowed; -1: none. For
 * CLONE_INTO_CGROUP too. */
int cgroup_unified(const struct cgroup *g);

/* Stop all of its processes, or let them run. Waits until they have stopped. */
int cgroup_freeze(struct cgroup *g, bool frozen, struct why *why);
bool cgroup_is_frozen(struct cgroup *g);

/* The number of processes in it: 0 is empty; or -errno. */
int cgroup_processes(struct cgroup *g, enum cgroup_part part);

/*
 * It has ended: who writes the last of it to disk is as fast as he can, though
 * he is in the group still. 0 or -errno.
 */
int cgroup_unthrottle(const struct cgroup *g);

/* SIGKILL until it is empty; frozen ones too. -ETIMEDOUT after `ms`. */
int cgroup_kill(struct cgroup *g, enum cgroup_part part, unsigned ms,
		struct why *why);

/* Wait until what is in it now has ended: 0, or -ETIMEDOUT after `ms`. */
int cgroup_wait(const struct cgroup *g, enum cgroup_part part, unsigned ms);

/* Remove all groups; what is in the daemon's goes to the host's root group.
 * -EBUSY: the payload's has processes. */
int cgroup_remove(struct cgroup *g, struct why *why);

/* Numbers for lists; what the kernel does not tell is SPEC_UNLIMITED. */
struct cgroup_usage {
	uint64_t ram, ram_max, swap, swap_max; /* bytes */
	uint64_t processes, processes_max;
	uint64_t cpu; /* ns */
	uint64_t oom_kills;
};
void cgroup_usage(struct cgroup *g, struct cgroup_usage *out);

/* For tests and for who binds them: the directory of a controller ("memory",
 * "cpu", ...; "" the unified) and part, or of vefs/NAME itself (part -1). */
int cgroup_path(const struct cgroup *g, const char *controller, int part,
		char *path, size_t size);

#endif
