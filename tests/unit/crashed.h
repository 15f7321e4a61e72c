/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_CRASHED_H
#define VEFS_TESTS_UNIT_CRASHED_H

/*
 * crashed - an operation on an ovl (ovl.h) in a process that is killed in the
 * middle of it, at any system call, and the process that takes over: the same
 * tables and descriptors, as a keeper and its workers have them.
 */
#include "fs/slot.h"
#include "tests/unit/ovl.h"

#define CRASHED_FDS 4096
#define CRASHED_KNOWN 64

struct crashed {
	struct ovl *v;
	struct slot_table *slots;
	uint64_t unique;
	bool again; /* the request was begun, and not answered */
	uint64_t known[CRASHED_KNOWN]; /* what the kernel was told of */
	unsigned n_known;
	uint8_t open[CRASHED_FDS]; /* descriptors before the operation */
	size_t n_open;
};

/* NULL, or why no process can be watched here; call before anything else. */
const char *crashed_possible(void);

/* `v` has been begun. */
void crashed_begin(struct crashed *c, struct ovl *v);
void crashed_end(struct crashed *c);

/* The kernel knows what stands there, if anything does, and what is above. */
void crashed_know(struct crashed *c, const char *path);

/*
 * `op` for a request (the same until it is answered), in a process that is killed when it has begun or ended
 * `n` system calls. False: it did fewer, and ended unanswered.
 */
bool crashed_run(struct crashed *c, int (*op)(const struct ovl *v), unsigned n);

/* What a new process does before it handles requests. */
void crashed_recover(struct crashed *c);

/* `op` once more, for the same request; what it returned. It is answered. */
int crashed_again(struct crashed *c, int (*op)(const struct ovl *v));

/*
 * The kernel forgets everything. Nothing may be left then: no inode, no
 * descriptor, no slot, no file in work.
 */
void crashed_forget(struct crashed *c);

/*
 * The overlay as a guest sees it, and upper as it is on disk, as text; to be
 * freed. The same history gives the same text.
 */
char *crashed_picture(const struct ovl *v);

#endif
