/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NOTIFYLOOP_H
#define VEFS_TOOLS_CT_NOTIFYLOOP_H

/*
 * notifyloop - the supervisor: receives the calls of all listeners and answers
 * them, in two threads, so that what asks the quota's daemon keeps nobody
 * else waiting.
 */
#include <linux/seccomp.h>
#include <stdatomic.h>

#include "tools/ct/notify.h"

/*
 * What is shared with the monitor and the next supervisor. Listeners are the
 * monitor's to write; slots the supervisor's.
 *
 * A slot is empty (taken 0), or taken, and then one of
 *	notif.id 0	nothing was received into it
 *	notif.id N	a call that may have been answered or not: whoever
 *			takes over asks the kernel
 * The kernel itself writes the call into the slot, so that none is lost.
 */
#define NOTIFYLOOP_LAYOUT 1u
#define NOTIFYLOOP_LISTENERS 1024u
#define NOTIFYLOOP_SLOTS 256u
#define NOTIFYLOOP_NOTIF 128u /* what a later kernel may write */

struct notifyloop_listener {
	uint64_t serial; /* its own for ever; 0: an empty row */
	int32_t fd, pad; /* the monitor's */
};

struct notifyloop_slot {
	_Atomic uint32_t taken;
	uint32_t tries; /* supervisors that began with it */
	uint64_t serial;
	union {
		struct seccomp_notif notif;
		char room[NOTIFYLOOP_NOTIF];
	};
};

struct notifyloop_state {
	uint32_t layout, pad;
	uint64_t serial; /* the last one given */
	int64_t supervisor;
	struct notifyloop_listener listeners[NOTIFYLOOP_LISTENERS];
	struct notifyloop_slot slots[NOTIFYLOOP_SLOTS];
};

/* New listeners come by `link`, one in a message with its serial. */
struct notifyloop_message {
	uint64_t serial;
};

/*
 * Serve until no listener is left and the monitor's end of `link` is closed.
 * `given` are NOTIFYLOOP_LISTENERS rows with the descriptors of this process,
 * which are taken. -errno: it could not begin.
 */
int notifyloop_run(const struct notify_config *config,
		   struct notifyloop_state *state,
		   const struct notifyloop_listener *given, int link);

/* Is this descriptor a listener? */
bool notifyloop_is_listener(int fd);

/*
 * A message with a descriptor. Receiving: 1 and *fd (-1: none came with it),
 * 0 at the end, -EAGAIN, or -errno.
 */
int notifyloop_send(int sock, int fd, const void *data, size_t len, int flags);
int notifyloop_receive(int sock, int *fd, void *data, size_t len);

#endif
