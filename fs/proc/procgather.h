/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCGATHER_H
#define VEFS_FS_PROC_PROCGATHER_H

/*
 * procgather - what no group counts: sockets, open files, locks, terminals,
 * addresses, of all the processes of a container. Costs by their number;
 * bounded. Nothing is told of what it shares with the host.
 */
#include "fs/proc/grouppids.h"
#include "fs/proc/procview.h"
#include "fs/proc/source.h"

struct procgather;

/* One thread at a time. NULL: no memory. */
struct procgather *procgather_new(void);
void procgather_free(struct procgather *g);

/*
 * All of it, as it was at most procgather_age() ago. What is opened for it
 * stays open.
 */
void procgather(struct procgather *g, struct source *s, struct procextra *out);

/* ns that what took `cost` ns to gather is shown. */
uint64_t procgather_age(uint64_t cost);

/* The pure parts, of the texts of /proc/PID/net/sockstat and sockstat6; the
 * lines of a net/packet; those of a net/netlink that are a process's. */
void procgather_sockets(const char *text, struct procextra *out);
uint64_t procgather_lines(const char *text);
uint64_t procgather_netlink(const char *text);

/* Of /proc/locks: locks that these hold. */
uint64_t procgather_locks(const char *text, const struct grouppids *who);

/* Of net/fib_trie, net/if_inet6: addresses that others can reach, added to
 * out->addresses, each once. */
void procgather_ipv4(const char *text, struct procextra *out);
void procgather_ipv6(const char *text, struct procextra *out);

#endif
