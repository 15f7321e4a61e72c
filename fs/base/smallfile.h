/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_SMALLFILE_H
#define VEFS_FS_BASE_SMALLFILE_H

/* smallfile - files of a line, which are old or new after a crash. */
#include <stddef.h>

/*
 * Replace the file `name` in `dir`, 0600, by a rename over it; file and
 * directory are synced. `name`.new is used up. One writer at a time.
 */
int smallfile_write(int dir, const char *name, const char *text);

/* Its first line, at most size - 1 bytes, without the newline. */
int smallfile_read(int dir, const char *name, char *text, size_t size);

#endif
