/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTNAME_H
#define VEFS_TOOLS_CTNAME_H

/*
 * ctname - second names of containers, which may stand for the first.
 *
 *	names/NAME -> ID	in the store, a symlink
 *
 * No container has an id that is another's name. Who takes one has the lock
 * container_lock_ids(). A name whose container is gone counts as free.
 */
#include "tools/container.h"

/* Whose it is: 0, -ENOENT or -errno. */
int ctname_find(int store, const char *name, char id[CONTAINER_ID_MAX + 1]);

/* The name of a container: 0, -ENOENT, or -errno. */
int ctname_of(int store, const char *id, char name[CONTAINER_ID_MAX + 1]);

/* -EEXIST: it is another's, by name or by id. */
int ctname_take(int store, const char *name, const char *id, struct why *why);

/* All names of `id` but `keep` (NULL: all). 0 or -errno. */
int ctname_release(int store, const char *id, const char *keep);

#endif
