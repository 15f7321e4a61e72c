/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_QUOTADB_H
#define VEFS_QUOTA_QUOTADB_H

/*
 * quotadb - a ledger on disk: the file quota.mdb of a container.
 *
 * LMDB (fs/base/store.h) with a format version, the container's id, whether it
 * was closed cleanly and in which boot, limits, graces, usage. The format is in
 * fs/FORMAT.md. One process writes; LMDB is not used across fork(): each
 * process opens its own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quota/ledger.h"

#define QUOTADB_VERSION 1u
#define QUOTADB_ID_MAX 64u

struct quotadb;

enum quotadb_state {
	QUOTADB_NEW,   /* made just now, nothing in it */
	QUOTADB_CLEAN, /* usage is what it was at the unmount */
	QUOTADB_DIRTY, /* usage may be wrong: scan */
};

/*
 * Open the file `name` in `dirfd`, make it when missing. `id` is the
 * container's; "" is anybody's. Errors, with a sentence in why[len]: -EUCLEAN
 * damaged (also: cut short, not ours), -EPROTONOSUPPORT of a newer version,
 * -EXDEV another container's; and the store's.
 */
int quotadb_open(struct quotadb **out, int dirfd, const char *name,
		 const char *id, char *why, size_t len);
/* The same of one that is not to outlive the host's run: nothing is synced. */
int quotadb_open_passing(struct quotadb **out, int dirfd, const char *name,
			 const char *id, char *why, size_t len);
void quotadb_free(struct quotadb *db);

enum quotadb_state quotadb_state(const struct quotadb *db);

/* Put what the file says into an empty ledger. */
int quotadb_load(struct quotadb *db, struct ledger *l);

/*
 * Write what has changed in the ledger since the last time, synced, and
 * whether usage is certain (`clean`). Nothing changed: no system call.
 */
int quotadb_save(struct quotadb *db, struct ledger *l, bool clean);

/*
 * A file that cannot be used gets another name in `dirfd`, NAME.damaged-N, the
 * first free N; that name in aside[len]. Never deleted.
 */
int quotadb_set_aside(int dirfd, const char *name, char *aside, size_t len);

#endif
