/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCUBC_H
#define VEFS_FS_PROC_PROCUBC_H

/*
 * procubc - what programs know OpenVZ by: /proc/user_beancounters (format
 * 2.5) and /proc/vz. What a stock kernel does not count is 0, what it cannot
 * limit is unlimited.
 */
#include "fs/proc/procview.h"

procview_render procubc_render;
procview_render procubc_veinfo;
procview_render procubc_vestat;

#define PROCUBC_UNLIMITED INT64_MAX

struct procubc_row {
	const char *name;
	uint64_t held, maxheld, barrier, limit, failcnt;
};

#define PROCUBC_ROWS 24u

/*
 * The rows, in their order. Where v->bean is given maxheld and failcnt are over
 * all starts, and it is brought up to date.
 */
void procubc_rows(const struct procview *v,
		  struct procubc_row out[PROCUBC_ROWS]);

/* A row's name; NULL: it is a dummy. */
const char *procubc_name(unsigned row);

/* The text in pieces: its two lines of titles; a row, the first of a container
 * with its id, the others with NULL. */
void procubc_head(struct strbuf *out);
void procubc_line(const char *id, const struct procubc_row *r,
		  struct strbuf *out);

/* The rows of such a text of one container. -EINVAL: it is none. */
int procubc_parse(const char *text, struct procubc_row out[PROCUBC_ROWS]);

#endif
