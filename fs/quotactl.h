/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_QUOTACTL_H
#define VEFS_FS_QUOTACTL_H

/*
 * quotactl - the quota of a mount that is live: its worker answers commands
 * (quota/command.h) at a socket beside that of the keeper (control.h), and
 * keeps the file of the ledger up to date.
 */
#include <stdio.h>

/*
 * Ask the worker of the mount at `path`; the answer, to be read to its end, in
 * *answer, the caller's to close. 0, or -errno: -ENXIO nobody listens, the
 * mount has no quota.
 */
int quotactl_ask(const char *path, const char *request, FILE **answer);

#endif
