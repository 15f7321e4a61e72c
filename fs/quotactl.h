/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_QUOTACTL_H
#define VEFS_FS_QUOTACTL_H

/*
 * quotactl - the quota of a mount that is live: a thread of its worker answers
 * commands (quota/command.h) at a socket beside that of the keeper
 * (control.h), keeps the file of the ledger up to date, and tells the log
 * which limits are reached.
 *
 * "session" as the request of a connection makes it stay: it, and each line
 * that follows, is answered as ever and then by a line ". ERRNO", 0 for "ok".
 * QUOTACTL_SESSIONS at a time; one more is closed without an answer.
 */
#include <stdio.h>

#include "fs/overlay.h"
#include "fs/state.h"

#define QUOTACTL_SESSIONS 4

struct quotactl;

/* Begin; nothing to do without a quota. NULL and 0 then; or -errno. */
int quotactl_start(struct quotactl **out, struct overlay *o, struct state *s);
/*
 * The mount is gone: write the ledger, as what can be relied on. NULL is
 * fine. Nobody uses the overlay any more.
 */
void quotactl_stop(struct quotactl *q);

/*
 * Ask the worker of the mount at `path`; the answer, to be read to its end, in
 * *answer, the caller's to close. 0, or -errno: -ENXIO nobody listens, the
 * mount has no quota.
 */
int quotactl_ask(const char *path, const char *request, FILE **answer);

#endif
