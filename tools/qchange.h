/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_QCHANGE_H
#define VEFS_TOOLS_QCHANGE_H

/* qchange - changing a quota: the ledger and what vefs.conf says of it. */
#include "tools/qcmd.h"

/* What is to be changed. */
struct qchange {
	enum ledger_kind kind;
	uint32_t id;
	bool has_limits[LIMIT_RESOURCES];
	struct quotaword limits[LIMIT_RESOURCES];
	bool has_grace[LIMIT_RESOURCES]; /* of the kinds in `kinds` */
	uint64_t grace[LIMIT_RESOURCES];
	bool kinds[LEDGER_KINDS];
	bool has_deadline;
	uint64_t deadline; /* from now, s; 0: anew */
	bool has_enforce[LEDGER_KINDS];
	bool enforce; /* those */
	const char *ugidlimit, *diskquota, *window;
	bool keep_conf; /* vefs.conf is somebody else's business */
};

/*
 * Do it; `before` is how everything is now. Without q->ask vefs.conf alone is
 * changed. 0, or -errno with the reason in q->why, and nothing has changed.
 */
int qchange_apply(struct qcmd *q, const struct qchange *ch,
		  const struct quotastate *before);

/* Warn of a usage above a limit that has just been set; `name`: whose. */
void qchange_warn_above(enum ledger_kind kind, const char *name,
			enum limit_resource what, const struct limit *l);

#endif
