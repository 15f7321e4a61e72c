/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTSCRIPT_H
#define VEFS_TOOLS_CTSCRIPT_H

/*
 * ctscript - what an administrator wants to be done around a container, as
 * with vzctl. In /etc/vefs (etc in a store that is not the usual one):
 *
 *	vps.premount, vps.mount, vps.umount, vps.postumount	for each
 *	ID.premount, ID.mount, ID.umount, ID.postumount		for that one
 *	ID.start, ID.stop	its shell reads them, inside (ctinside.h)
 *
 * Those of the host are programs; VEID, VE_CONFFILE and VE_ROOT stand in their
 * environment. One that fails ends the operation.
 */
#include <limits.h>
#include <sys/types.h>

#include "tools/container.h"

/* Run those of `when` on the host, if there are any: 0, or -errno and why. */
int ctscript_host(const char *store, const struct container *one,
		  const char *when, struct why *why);

/* Where the one of `of` is: an id, or "vps". 0, or -errno: no such store. */
int ctscript_path(const char *store, const char *of, const char *when,
		  char path[PATH_MAX], struct why *why);

/* What wait(2) says of one: 0, or -ECANCELED and why. */
int ctscript_ended(int status, const char *path, struct why *why);

#endif
