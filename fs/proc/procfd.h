/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCFD_H
#define VEFS_FS_PROC_PROCFD_H

/*
 * procfd - small texts of the kernel, read whole by a descriptor that is kept
 * open. One that has gone (a group that was removed) reads as empty.
 */
#include <stdint.h>

#include "fs/base/strbuf.h"

/*
 * All of it into `out`, which is emptied first. 0, or -errno with `out` empty;
 * -EBADF for fd < 0.
 */
int procfd_read(int fd, struct strbuf *out);

/* By its name in a directory (AT_FDCWD too); for what is read seldom. */
int procfd_read_at(int dir, const char *name, struct strbuf *out);

/* A text of one number, "max" and what is too large as UINT64_MAX; `none`:
 * it is none, or cannot be read. */
uint64_t procfd_number(int fd, uint64_t none);

#endif
