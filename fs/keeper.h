/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_KEEPER_H
#define VEFS_FS_KEEPER_H

/*
 * keeper - the process that a mount lives as long as. It has one thread and
 * never touches a request: it owns the descriptors and the memory that must
 * outlive a worker, makes workers that share its descriptor table, and waits.
 *
 * A worker that is killed is replaced at once. One that dies again and again
 * without having answered anything is replaced after growing pauses and then
 * no more: the mount ends, loudly.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fs/worker.h"

struct keeper_config {
	struct worker_config worker;
	const char *target;	 /* the mount point, for messages and umount */
	unsigned crash_limit;	 /* deaths in a row without an answer */
	bool can_resend;	 /* this kernel sends requests again */
	char *const *argv;	 /* the command line, for who takes over */
	int state_fd;		 /* the state's memfd */
	void (*live)(void *ctx); /* a worker serves, once; in the keeper */
};

/*
 * Block what the keeper takes note of, before there is any other thread. A
 * descriptor to read it by, or -errno.
 */
int keeper_signals(void);
/* The blocking alone, where the descriptor was taken over. */
void keeper_signals_again(void);

/*
 * Keep the mount served until it is gone: 0, -errno when it had to be given
 * up; *detached says whether it has unmounted already. In a worker's process it
 * returns too, when that is done: *is_worker, and its result.
 */
int keeper_run(const struct keeper_config *cfg, bool *is_worker,
	       bool *detached);

#endif
