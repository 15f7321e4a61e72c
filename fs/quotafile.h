/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_QUOTAFILE_H
#define VEFS_FS_QUOTAFILE_H

/*
 * quotafile - the ledger of a mount and its file: taken from it, counted anew
 * when the file cannot vouch for the usage, written back.
 *
 * A process opens the file for itself and closes it before it is copied.
 */
#include "fs/overlay.h"
#include "quota/ledger.h"
#include "quota/quotadb.h"
#include "quota/scan.h"

/*
 * Take the quota of a fresh mount into use, as o->opts asks: o->gate, and
 * o->quota_dir and _lock, which stay open; o->quota_scan: usage must be counted
 * yet (quota-check=background). A file that is damaged is set aside, and usage
 * is counted; one of a newer version, or another container's, is refused.
 * -EBUSY: it is another mount's. 0 or -errno with a sentence in err[errlen].
 */
int quotafile_start(struct overlay *o, char *err, size_t errlen);

/*
 * It is over, nothing changes any more: what was changed lately is written
 * back and looked at a last time, and all of it is on disk. False: that cannot
 * be said, so usage must be counted by the next mount; with fsync=0 nothing is
 * written back, which is so after any late change (late.h).
 */
bool quotafile_rest(struct overlay *o);

/*
 * Open the file of a mount that is live. What its ledger says is in memory: a
 * damaged file is set aside, and the next save writes all of it to a new one.
 * Logged -errno.
 */
int quotafile_open(const struct overlay *o, int dir, struct quotadb **out);

/*
 * Compare usage with what upper has, nothing changing meanwhile; with `fix`
 * take that over. Calls `fn` (or NULL) for each difference. Inodes, -errno.
 */
int64_t quotafile_check(struct overlay *o, bool fix,
			void (*fn)(void *ctx, const struct scan_drift *d),
			void *ctx);

#endif
