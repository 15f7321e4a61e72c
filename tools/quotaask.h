/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_QUOTAASK_H
#define VEFS_TOOLS_QUOTAASK_H

/*
 * quotaask - asking the quota of a container (quota/command.h): of its worker
 * while it is mounted, else of a private ledger with what its quota.mdb says.
 *
 * Errors come as -errno with the reason in `why`.
 */
#include "quota/ledger.h"
#include "tools/container.h"

#define QUOTAASK_FILE "quota.mdb"

struct quotaask;

enum quotaask_mode {
	QUOTAASK_LOOK,	  /* the file is not made when it is missing */
	QUOTAASK_CHANGE,  /* it is */
	QUOTAASK_REBUILD, /* and a damaged one is set aside, never deleted */
};

/*
 * `one` is borrowed, and locked unless it is mounted. -EBUSY: its daemon has
 * not ended yet. -EUCLEAN, -EPROTONOSUPPORT, -EXDEV as quotadb_open().
 */
int quotaask_open(struct quotaask **out, const struct container *one,
		  enum quotaask_mode mode, struct why *why);
/* Unsaved changes of the ledger are lost. */
void quotaask_free(struct quotaask *q);

/* The private ledger, borrowed; NULL: a mounted container is asked. */
struct ledger *quotaask_ledger(struct quotaask *q);

/* Is it a ledger that no mount has ever had? Then no usage is known. */
bool quotaask_is_new(const struct quotaask *q);
/* Was usage left as it is? Else it must be counted. Live ones are certain. */
bool quotaask_is_certain(const struct quotaask *q);

/* Write the private ledger back. With `forget` its usage is uncertain. */
int quotaask_save(struct quotaask *q, bool forget, struct why *why);

/*
 * Ask one line; `fn` is given each line of data, without its newline and to
 * be taken apart if it likes; its non-zero value ends the listening and is
 * given back.
 * -EREMOTEIO: it was refused, with the answer's sentence in `why`.
 */
typedef int (*quotaask_fn)(void *ctx, char *line);
int quotaask_run(struct quotaask *q, const char *request, quotaask_fn fn,
		 void *ctx, struct why *why);

#endif
