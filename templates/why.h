/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_WHY_H
#define VEFS_TEMPLATES_WHY_H

/*
 * why - the sentence that goes with an error, for people. The first one
 * counts: what follows is a consequence.
 */
#include <stddef.h>

#include "fs/base/cleanup.h"

struct why {
	char text[768]; /* printable; "" when nothing was said */
};

/*
 * Say why `err` (negative) is returned, unless something was said already.
 * What a terminal would obey comes out as "?". `w` may be NULL. Returns `err`.
 */
int why_set(struct why *w, int err, const char *fmt, ...) _printf_(3, 4);

/* The same with ": " and what the system says of `err` behind it. */
int why_sys(struct why *w, int err, const char *fmt, ...) _printf_(3, 4);

#endif
