/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_HOSTQUOTA_H
#define VEFS_QUOTA_HOSTQUOTA_H

/*
 * hostquota - a limit on space that the host's filesystem keeps itself, for one
 * directory and everything in it, whoever writes there and however:
 *
 *	project		XFS, ext4: a project quota. The directory has a project
 *			id of its own, which what is made in it inherits.
 *	subvolume	btrfs: the directory is a subvolume, the limit that of
 *			its level 0 qgroup (of full or simple quotas).
 *
 * What is switched on for a whole filesystem (quotas, their enforcement) is
 * the host's business: looked at, never changed. Inodes have no limit here: who
 * makes one asks the ledger in any case.
 *
 * Sentences in why[len] name what is missing and the way out, without naming
 * the directory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hostquota_kind { HOSTQUOTA_PROJECT, HOSTQUOTA_SUBVOLUME };

/* "project", "subvolume". */
extern const char *const hostquota_kinds[];

/*
 * What can be had on the filesystem of `dirfd`? The kind, or -EOPNOTSUPP with
 * the reason.
 */
int hostquota_probe(int dirfd, char *why, size_t len);

/*
 * Make a directory, 0700, that has a quota of its own, without a limit as
 * yet. 0; -EOPNOTSUPP, -EEXIST or another -errno with the reason, and nothing
 * is left.
 */
int hostquota_mkdir(int dirfd, const char *name, char *why, size_t len);

/*
 * Before such a directory is removed: what the filesystem keeps for it is given
 * back. A subvolume is gone then, with all that was in it; a project's
 * directory is still there, unlimited. 0, also when it is neither.
 */
int hostquota_release(int dirfd, const char *name);

struct hostquota;

/*
 * The quota that upper and work share: both of one project, inherited; or both
 * in the root of one subvolume, which is not the filesystem's first.
 * `outside` is a directory of the same filesystem that is not in it: btrfs
 * refuses a full subvolume even a higher limit, if asked from inside.
 * -EOPNOTSUPP with the reason: they do not share one, or it is not enforced
 * now. The descriptors are borrowed and must outlive it.
 */
struct hostquota_place {
	int upper, work, outside;
};
int hostquota_open(struct hostquota **out, const struct hostquota_place *at,
		   char *why, size_t len);
void hostquota_free(struct hostquota *q);
enum hostquota_kind hostquota_kind(const struct hostquota *q);

/* Does this directory belong to it? */
bool hostquota_has(const struct hostquota *q, int fd);

/* The limit, bytes (rounded down to 1024); 0: none. Holds at once. */
int hostquota_set(const struct hostquota *q, uint64_t limit);

/* The limit (0: none) and what is used of it, as the filesystem counts. */
int hostquota_get(const struct hostquota *q, uint64_t *limit, uint64_t *used);

#endif
