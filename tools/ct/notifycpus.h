/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NOTIFYCPUS_H
#define VEFS_TOOLS_CT_NOTIFYCPUS_H

/*
 * notifycpus - sched_getaffinity(2) of a container's process: of the processors
 * that it may run on as many as the container has time for. C libraries,
 * runtimes and nproc(1) count them.
 */
#include <linux/seccomp.h>

#include "tools/ct/notify.h"

/* Only the lowest `n` bits that are set in it stay. */
void notifycpus_cut(unsigned char *mask, size_t len, unsigned n);

/*
 * What the call gives: bytes of the mask, or -errno; NOTIFY_CONTINUE for who
 * asks about another thread. `self` is what ops.begin() gave.
 */
int notifycpus_answer(const struct notify_config *config, void *self,
		      int listener, const struct seccomp_notif *n);

#endif
