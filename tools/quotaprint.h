/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_QUOTAPRINT_H
#define VEFS_TOOLS_QUOTAPRINT_H

/* quotaprint - usage and limits, for people and for programs. */
#include <jansson.h>
#include <stdio.h>

#include "tools/idname.h"
#include "tools/quotastate.h"

struct quotaprint {
	FILE *out;
	const char *id; /* the container */
	const struct quotastate *state;
	const struct idname *names[LEDGER_KINDS]; /* NULL: numbers */
	bool kinds[LEDGER_KINDS];		  /* which ones */
	int64_t now;				  /* s since 1970 */
};

/* Two rows of one owner, under a header: as "vzquota stat". */
void quotaprint_stat(const struct quotaprint *p, enum ledger_kind kind,
		     const struct limit_rec *r);

/* As repquota prints them: a table for each kind. */
void quotaprint_table(const struct quotaprint *p);

/* As "vzquota stat -t". */
void quotaprint_vzquota(const struct quotaprint *p);

/* How long soft limits of these kinds may be exceeded, in seconds. */
json_t *quotaprint_grace_json(const struct quotastate *s,
			      const bool kinds[LEDGER_KINDS]);

/* One owner; all of them. NULL: no memory. */
json_t *quotaprint_rec_json(const struct limit_rec *r);
json_t *quotaprint_json(const struct quotaprint *p);

#endif
