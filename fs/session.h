/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_SESSION_H
#define VEFS_FS_SESSION_H

/*
 * session - one mount from beginning to end.
 */
#include <stddef.h>

#include "fs/options.h"

/*
 * Assemble, mount and serve until the mount is gone. `live` is called once,
 * when the mount answers. SIGTERM, SIGINT and SIGHUP unmount. Returns 0 after
 * an unmount, or -errno with a sentence in err[errlen] (nothing is mounted
 * then).
 */
int session_run(const struct options *opts, void (*live)(void *ctx), void *ctx,
		char *err, size_t errlen);

#endif
