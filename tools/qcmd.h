/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_QCMD_H
#define VEFS_TOOLS_QCMD_H

/* qcmd - what the commands on quotas share. */
#include "tools/cmd.h"
#include "tools/idname.h"
#include "tools/quotaask.h"
#include "tools/quotaconf.h"
#include "tools/quotastate.h"

#define QCMD_RUN(name)                                                         \
	int qcmd_##name(const struct cmd *self, struct cmd_common *common,     \
			int argc, char **argv)

QCMD_RUN(show);
QCMD_RUN(report);
QCMD_RUN(set);
QCMD_RUN(grace);
QCMD_RUN(check);
QCMD_RUN(on);
QCMD_RUN(off);

/* A container whose quota is worked on. */
struct qcmd {
	struct catalog *c;
	struct container one;
	struct quotaask *ask;
	struct quotaconf conf;
	struct why why;
	struct idname *names[LEDGER_KINDS]; /* read when first needed */
};

#define QCMD_NONE                                                              \
	{                                                                      \
		.one = {.dir = -1, .lock = -1 }                                \
	}
#define QCMD(name) _cleanup_(qcmd_end) struct qcmd name = QCMD_NONE

enum qcmd_mode {
	QCMD_LOOK,
	QCMD_CHANGE, /* locked; what vefs.conf says wrongly is no matter */
	QCMD_REBUILD,
	QCMD_ON, /* as CHANGE; the quota may be off, `ask` is NULL then */
};

/*
 * Open the store, the container `id` and its quota. CMD_OK, or told and
 * another exit code. qcmd_end() in every case.
 */
int qcmd_begin(struct qcmd *q, const struct cmd_common *common, const char *id,
	       enum qcmd_mode mode);
void qcmd_end(struct qcmd *q);

/* Tell q->why, or `err` itself; the exit code. */
int qcmd_fail(const struct qcmd *q, int err);
/* The same for what stands on the command line. */
int qcmd_misused(const struct qcmd *q, int err, const char *option);

/* "anna" or "1000" of the container's users or groups. 0, or -errno and why. */
int qcmd_id(struct qcmd *q, enum ledger_kind kind, const char *word,
	    uint32_t *id);
/* Read the names of a kind, once. */
int qcmd_names(struct qcmd *q, enum ledger_kind kind);

/* Tell on standard error that usage is not certain, or unknown. */
void qcmd_warn_uncertain(const struct qcmd *q);

/* Tell there that limits are off. */
void qcmd_warn_off(const struct qcmd *q, enum ledger_kind kind);

/* Ask a formatted line; nothing is expected but "ok". 0, or -errno and why. */
int qcmd_ask(struct qcmd *q, const char *fmt, ...) _printf_(2, 3);

#endif
