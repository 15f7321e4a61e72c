/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTFILES_H
#define VEFS_TOOLS_CTFILES_H

/*
 * ctfiles - virtual files of a container that runs (fs/proc/procfiles.h), read
 * on the host: the same texts that it reads itself, by way of its monitor.
 */
#include "fs/base/strbuf.h"
#include "fs/proc/procubc.h"
#include "tools/container.h"

/*
 * The text of `path` ("proc/loadavg"), within `ms` milliseconds. 0, or -errno
 * with `out` empty: -ENXIO: nobody serves it, -ETIMEDOUT.
 */
int ctfiles_read(const struct container *one, const char *path, unsigned ms,
		 struct strbuf *out);

/* Its beancounters. The same; -EINVAL: what is served is something else. */
int ctfiles_beans(const struct container *one,
		  struct procubc_row out[PROCUBC_ROWS]);

/* Its load averages. */
int ctfiles_load(const struct container *one, double out[3]);

#endif
