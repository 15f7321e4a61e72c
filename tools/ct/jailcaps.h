/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_JAILCAPS_H
#define VEFS_TOOLS_CT_JAILCAPS_H

/* jailcaps - the capabilities that are left to a container. */
#include <stdint.h>

#include "templates/why.h"
#include "tools/ct/spec.h"

/* jail_usual_caps() */
uint64_t jailcaps_usual(const struct spec *s);

/* jail_parse_cap() */
int jailcaps_parse(const char *word);

/*
 * jail_caps(). Until the next exec CAP_SYS_ADMIN stays with this process: the
 * filter is loaded by its right, as sudo must go on working inside.
 */
int jailcaps_apply(const struct spec *s, struct why *why);

/* Give up what this process has beyond its bounding set. */
int jailcaps_settle(struct why *why);

#endif
