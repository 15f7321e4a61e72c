/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTNET_H
#define VEFS_TOOLS_CTNET_H

/* ctnet - what the lines of a container say of its network, as a whole. */
#include "tools/container.h"
#include "tools/ct/spec.h"

/*
 * Are addresses, interfaces, and whose network it is right together? 0, or
 * -EINVAL or -ENAMETOOLONG with a sentence.
 */
int ctnet_check(const char *store, const char *id, const struct spec *s,
		struct why *why);

#endif
