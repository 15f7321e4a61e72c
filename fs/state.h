/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_STATE_H
#define VEFS_FS_STATE_H

/*
 * state - what the keeper and the workers of one mount share, some pages of
 * memory: descriptors by number (they have one descriptor table), the kernel's
 * INIT request, and how it went so far. A program that takes the mount over
 * gets everything from here (upgrade.h).
 *
 * Written by the keeper before the first worker starts, except where said.
 */
#include <limits.h>
#include <stdint.h>

#include "fs/base/shm.h"
#include "fs/itable.h"
#include "fs/workdir.h"

#define STATE_LAYOUT 4
#define STATE_MAGIC 0x76654653u
#define STATE_INIT_MAX 512u
#define STATE_LOWERS 256u
#define STATE_WINDOW_EVENT 64u

struct state {
	uint32_t magic;
	uint32_t layout; /* of this, and of all that it names: state_layout() */
	int32_t fd;	 /* the device, as mounted */
	int32_t fd_busy; /* a clone of it that does not block */
	int32_t fd_ready;   /* an eventfd: a worker serves */
	int32_t fd_signals; /* a signalfd, the keeper's */
	int32_t fd_log;	    /* to the system's log; -1: none */
	int32_t fd_control; /* control.h; -1: none */
	int32_t fd_quota;   /* quotactl.h; -1: none */
	int32_t fd_reply;   /* whom to tell when the next worker serves */
	int32_t reply_wanted;
	int32_t fd_floor; /* descriptors from here on are the workers' */
	int32_t inodes[ITABLE_FDS], handles, slots; /* the tables' memfds */
	int32_t quota;		      /* the ledger's; -1: no quota */
	int32_t quota_dir;	      /* where its file is */
	int32_t window[2];	      /* window.h; -1: none */
	int32_t quota_lock;	      /* the file, locked */
	int32_t dirs[WORKDIR_FDS];    /* workdir.h; with an upper */
	int32_t lowers[STATE_LOWERS]; /* roots of the lowers, by layer index */
	int32_t pools[STATE_LOWERS];  /* of templates, else -1 */
	uint32_t n_layers;
	uint32_t userxattr; /* upper's marks are of the family user.* */
	uint64_t dev;	    /* of the mount; 0: not known */
	uint64_t control_ino, quota_ino;
	char target[PATH_MAX], program[PATH_MAX];
	uint32_t init_len;
	_Alignas(8) uint8_t init[STATE_INIT_MAX];
	/* Read and not answered; the workers', windowrun.c's. */
	_Alignas(8) uint8_t window_event[STATE_WINDOW_EVENT];
	_Atomic uint32_t init_answered; /* the workers' */
	_Atomic uint32_t quota_scan;	/* usage is to be counted */
	_Atomic uint32_t ready; /* generation that serves; the workers' */
	uint32_t generation;	/* of the newest worker */
	uint32_t restarts;
	int32_t keeper;		       /* its process id */
	char oom[16];		       /* a worker's oom_score_adj */
	int32_t died_of;	       /* signal of the last one, 0: none yet */
	uint64_t died_at;	       /* ns; when that was noticed */
	uint64_t stall_sum, stall_max; /* ns until the next served; workers' */
	_Atomic uint32_t lacks; /* a worker ended for want of something */
};

/* One number for the layouts of everything that outlives a process. */
uint32_t state_layout(void);

/* A new page, or that of the memfd `fd` >= 0, which is taken. */
int state_open(struct shm *mem, int fd);

static inline struct state *state_of(const struct shm *mem)
{
	return mem->base;
}

#endif
