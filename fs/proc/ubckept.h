/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_UBCKEPT_H
#define VEFS_FS_PROC_UBCKEPT_H

/*
 * ubckept - a container's beancounters between its starts: maxheld and failcnt,
 * in a small file (fs/FORMAT.md) that is replaced as a whole. A power cut may
 * leave it as it was before, or damaged; what is damaged is told as such.
 */
#include "fs/base/strbuf.h"
#include "fs/proc/procstate.h"

#define UBCKEPT_FILE "beancounters"

/*
 * Read it in `dir`: `most` and, as what was before, `failed`. 0, also if there
 * is none, with all 0; -EUCLEAN: it is damaged, or not ours; or -errno; `out`
 * is all 0 then.
 */
int ubckept_load(int dir, struct procstate_bean out[PROCSTATE_ROWS]);
int ubckept_save(int dir, const struct procstate_bean bean[PROCSTATE_ROWS]);

/* The pure part. */
void ubckept_print(const struct procstate_bean bean[PROCSTATE_ROWS],
		   struct strbuf *out);
int ubckept_parse(const char *text, struct procstate_bean out[PROCSTATE_ROWS]);

#endif
