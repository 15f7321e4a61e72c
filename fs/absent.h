/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_ABSENT_H
#define VEFS_FS_ABSENT_H

/*
 * absent - names that a layer which never changes was found not to have.
 *
 * The kernel asks for a name before it makes it, and making, renaming and
 * removing ask once more whether a lower shows through: the same few names
 * again and again within microseconds. A small direct-mapped memory of them;
 * what is not in it is simply looked up. Thread-safe, takes no memory later.
 */
#include <stdbool.h>

#include "fs/ref.h"

struct absent;

/* NULL: no memory. */
struct absent *absent_new(void);
void absent_free(struct absent *a);

/* Is it certain that `dir` has no `name`? */
bool absent_knows(struct absent *a, const struct ref *dir, const char *name);

/* It has none, and never will. Names that are too long to keep are not kept. */
void absent_note(struct absent *a, const struct ref *dir, const char *name);

#endif
