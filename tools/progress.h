/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_PROGRESS_H
#define VEFS_TOOLS_PROGRESS_H

/*
 * progress - how far something is: a bar on a terminal (stderr), a line now
 * and then where there is none.
 */
#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool quiet, terminal, shown;
	uint64_t began, last; /* clock_now() */
};

void progress_start(struct progress *p, bool quiet);

/*
 * `done` of `total` bytes (0: not known); `files` and `doing` are shown
 * behind. Cheap when called often.
 */
void progress_show(struct progress *p, const char *doing, uint64_t done,
		   uint64_t total, uint64_t files);

/* Take the bar away. */
void progress_end(struct progress *p);

/* Seconds since the start. */
double progress_seconds(const struct progress *p);

/*
 * SIGINT and SIGTERM become a wish that is asked for here, so that what was
 * begun is taken back.
 */
void progress_catch_signals(void);
bool progress_cancelled(void);

#endif
