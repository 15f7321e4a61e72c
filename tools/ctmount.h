/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTMOUNT_H
#define VEFS_TOOLS_CTMOUNT_H

/*
 * ctmount - the root of a container comes and goes, with the scripts that
 * stand around that (ctscript.h):
 *
 *	premount, the mount, mount	of all, then of that one
 *	umount, the unmount, postumount	the same
 *
 * A script that fails ends it. What was done until then is undone: after a
 * mount script has failed nothing is mounted, and postumount has run, for what
 * premount did; after an umount script has failed it is mounted still.
 */
#include "tools/mounting.h"
#include "tools/work.h"

/*
 * The container is locked by the caller, and not mounted. An exit code, told.
 * `birth` of the daemon's first process may be NULL.
 */
int ctmount_up(struct work *w, const char *store,
	       const struct mounting_birth *birth);

/*
 * `ms` milliseconds are waited at most until the daemon has ended. Copies of
 * the mount that other mount namespaces have are taken off as well, where the
 * mount point is an empty directory in one that is only root's to change; who
 * works in such a copy keeps the daemon until he leaves, which is told. 0, also
 * where nothing was mounted; -EBUSY; -ECANCELED: a script has failed; or
 * -errno; each with a sentence in `why`.
 */
int ctmount_down(const char *store, const struct container *one, unsigned ms,
		 struct why *why);

/*
 * The same in two parts, for who has something to do while the daemon ends: the
 * first gives 1 where the second is to follow.
 */
int ctmount_off(const char *store, const struct container *one,
		struct why *why);
int ctmount_gone(const char *store, const struct container *one, unsigned ms,
		 struct why *why);

#endif
