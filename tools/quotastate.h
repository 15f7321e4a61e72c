/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_QUOTASTATE_H
#define VEFS_TOOLS_QUOTASTATE_H

/* quotastate - what a ledger has answered (quota/command.h), in memory. */
#include "tools/quotaask.h"

struct quotastate_rec {
	uint32_t id;
	struct limit_rec r;
};

struct quotastate {
	bool enforce[LEDGER_KINDS];
	uint64_t grace[LEDGER_KINDS][LIMIT_RESOURCES]; /* s */
	struct quotastate_list {
		struct quotastate_rec *recs; /* by id */
		size_t n, room;
	} of[LEDGER_KINDS];
};

/*
 * Ask for everything. Errors of quotaask_run(); -EPROTO: a line that is not
 * understood. quotastate_free() in every case.
 */
int quotastate_read(struct quotaask *q, struct quotastate *out,
		    struct why *why);
void quotastate_free(struct quotastate *s);

/* The record of an owner, all zero when there is none. */
struct limit_rec quotastate_get(const struct quotastate *s,
				enum ledger_kind kind, uint32_t id);

/*
 * One line of data: "enforce", "grace" or "record". -EPROTO: it is none of
 * them, -ENOMEM.
 */
int quotastate_take(struct quotastate *s, char *line);

/* "drift ..." and "checked ...". -EPROTO: it is something else. */
int quotastate_drift(const char *line, enum ledger_kind *kind, uint32_t *id,
		     uint64_t of[2 * LIMIT_RESOURCES]);
int quotastate_checked(const char *line, uint64_t *inodes, uint64_t *ms);

#endif
