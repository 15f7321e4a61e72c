/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_BESIDE_H
#define VEFS_TOOLS_BESIDE_H

/* beside - where the other programs of ours are. */
#include <limits.h>

/*
 * In the environment of a program that was started from a mount which has no
 * place (handover.c): the directory that it is in.
 */
#define BESIDE_ENV "VEFS_PROGRAMS"

/*
 * The path of `name`, a program beside this one, else that in /sbin, whether
 * it is there or not. 0 or -errno; `name` has less than 64 bytes.
 */
int beside_find(const char *name, char path[PATH_MAX]);

#endif
