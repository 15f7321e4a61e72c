/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_APTMIRROR_H
#define VEFS_TEMPLATES_APTMIRROR_H

/*
 * aptmirror - where this machine's own apt gets Debian from.
 */
#include <limits.h>
#include <stdbool.h>

/*
 * The mirror of Debian's main archive that apt's sources name and whose lists
 * apt has. False: there is none, or no apt.
 */
bool aptmirror_find(char uri[PATH_MAX]);

#endif
