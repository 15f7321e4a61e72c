/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCSOCK_H
#define VEFS_FS_PROC_PROCSOCK_H

/*
 * procsock - the sockets of a network namespace and what is in their buffers,
 * and the rules of its packet filters, as the kernel tells them by netlink:
 * asked by sockets that were made in there and are kept. Costs by their number.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/proc/procview.h"

struct procsock;

/*
 * For the namespace of `init`; `host`: the host's /proc. The calling thread is
 * in there for a moment. -EXDEV: it has none of its own, the host's are not
 * told; -errno.
 */
int procsock_open(struct procsock **out, int host, pid_t init);
void procsock_close(struct procsock *s);

/*
 * TCP, UDP and local sockets, and rules, are added to `out`. -errno: not all of
 * the sockets could be asked for: their numbers are 0, to be found otherwise,
 * and what is in buffers may be less than there is.
 */
int procsock_read(struct procsock *s, struct procextra *out);

/* How many of the namespace's netlink sockets are these. */
uint64_t procsock_own(const struct procsock *s);

/* The pure part: what one answer of a dump says. */
void procsock_take(const void *message, size_t len, struct procextra *out);

#endif
