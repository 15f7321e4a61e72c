/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_WINDOWRUN_H
#define VEFS_FS_WINDOWRUN_H

/*
 * windowrun - the thread of a worker that keeps a window (window.h): it polls
 * what is written past us, and answers who is asked.
 */
#include "fs/overlay.h"
#include "fs/state.h"

struct windowrun;

/* Begin; nothing to do without a window: NULL and 0 then. -errno. */
int windowrun_start(struct windowrun **out, struct overlay *o, struct state *s);
/* The mount is gone. NULL is fine. */
void windowrun_stop(struct windowrun *r);

/*
 * The descriptor of the event that a predecessor left unanswered, or -1; to be
 * kept open until windowrun_start().
 */
int windowrun_pending(const struct state *s);

#endif
