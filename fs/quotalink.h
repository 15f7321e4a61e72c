/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_QUOTALINK_H
#define VEFS_FS_QUOTALINK_H

/*
 * quotalink - a session (quotactl.h) with the worker of a mount, for who asks
 * its quota often. It is begun when first needed, and anew when the worker was
 * replaced; no path is looked at.
 *
 * One thread at a time.
 */
#include <stddef.h>
#include <sys/types.h>

struct quotalink;

/*
 * To the mount of device `dev`. An answer is waited for `ms` at most. NULL: no
 * memory.
 */
struct quotalink *quotalink_new(dev_t dev, unsigned ms);
void quotalink_free(struct quotalink *l);

/*
 * Ask; the lines of data (quota/command.h) come in answer[len], each with its
 * newline. A worker that dies meanwhile is asked again: requests must not mind
 * being run twice.
 *
 * 0, or -errno: what the worker says (command_run()); -ENXIO nobody listens,
 * there is no quota; -EIO there was no answer in time, or none that can be
 * understood; -EMSGSIZE the answer, -ENAMETOOLONG the request is too long.
 */
int quotalink_ask(struct quotalink *l, const char *request, char *answer,
		  size_t len);

#endif
