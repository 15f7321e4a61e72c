/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_JAILFILTER_H
#define VEFS_TOOLS_CT_JAILFILTER_H

/*
 * jailfilter - the system calls that a container has no business with, refused
 * in the machine's own table of calls and in its 32-bit one; x32 has none.
 * no_new_privs stays off: sudo works inside.
 */
#include "templates/why.h"
#include "tools/ct/spec.h"

/* The filter, into this process and all that come from it. 0 or -errno. */
int jailfilter_load(const struct spec *s, struct why *why);

#endif
