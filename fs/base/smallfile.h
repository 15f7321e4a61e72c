/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_SMALLFILE_H
#define VEFS_FS_BASE_SMALLFILE_H

/*
 * smallfile - files of a line, which are old or new after a crash, and files
 * that are read as a whole.
 */
#include <stddef.h>

#include "fs/base/strbuf.h"

/*
 * Replace the file `name` in `dir`, 0600, by a rename over it; file and
 * directory are synced. `name`.new is used up. One writer at a time.
 */
int smallfile_write(int dir, const char *name, const char *text);

/* The same for what need not outlive the machine's run: nothing is synced. */
int smallfile_put(int dir, const char *name, const char *text);

/* Its first line, at most size - 1 bytes, without the newline. */
int smallfile_read(int dir, const char *name, char *text, size_t size);

/*
 * Add all of the file whose inode `fd` names, O_PATH or not: it is opened anew
 * once it is known to be a regular one, so that nothing waits or rings.
 * -ELOOP: a symlink; -EUCLEAN: no file either; -EFBIG: larger than `max`.
 */
int smallfile_add(int fd, size_t max, struct strbuf *out);

#endif
