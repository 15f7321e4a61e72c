/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_QUOTACONF_H
#define VEFS_TOOLS_QUOTACONF_H

/*
 * quotaconf - what a container's vefs.conf says of its quota, in OpenVZ's
 * words, and bringing the ledger up to it:
 *
 *	DISK_QUOTA="yes"	"no": none at all
 *	DISKSPACE="SOFT:HARD"	KiB, or "unlimited"
 *	DISKINODES="SOFT:HARD"
 *	QUOTATIME="SECONDS"	grace of the container; "SPACE:INODES" where
 *				they differ
 *	QUOTAUGIDLIMIT="N"	0: no limits of users and groups; there is no
 *				other limit on their number
 *	QUOTA_WINDOW="SIZE"	one trusts it: mount.vefs(8), quota-window
 *	QUOTA_CHECK="before"	or "background": when usage is counted
 *
 * What is not there stays as the ledger has it.
 */
#include "tools/conf.h"
#include "tools/container.h"
#include "tools/quotaask.h"
#include "tools/quotaword.h"

struct quotaconf {
	bool off;	 /* DISK_QUOTA=no */
	bool background; /* QUOTA_CHECK=background */
	char window[32]; /* "": none */
	bool has_limits[LIMIT_RESOURCES];
	struct quotaword limits[LIMIT_RESOURCES];
	bool has_grace;
	uint64_t grace[LIMIT_RESOURCES];
	bool has_level2, level2;
};

extern const char *const quotaconf_keys[LIMIT_RESOURCES];

/*
 * Read it; what cannot be understood is left out, and told: -EINVAL, -ERANGE
 * with the line in `why`; or an error of reading.
 */
int quotaconf_read(const struct container *one, struct quotaconf *out,
		   struct why *why);

/* The same from lines in memory; `id` is for the sentence. */
int quotaconf_parse(const struct conf *c, const char *id, struct quotaconf *out,
		    struct why *why);

/* Bring a private ledger up to it. 0 or -errno. */
int quotaconf_apply(const struct quotaconf *c, struct quotaask *q);

/*
 * Before a mount: bring quota.mdb up to vefs.conf, whose values go to *out.
 * With out->off there is none, and an old file is told that it knows no usage
 * any more.
 */
int quotaconf_before_mount(const struct container *one, struct quotaconf *out,
			   struct why *why);

#endif
