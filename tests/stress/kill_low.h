/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_KILL_LOW_H
#define VEFS_TESTS_STRESS_KILL_LOW_H

/*
 * Lower files, each of which is changed once: a copy-up every time, or one
 * without the data and the data after it. What lies below and what it is after
 * a change follows from its number, so a byte for each is all that the model
 * keeps.
 *
 * Number k has the names low/D/fK and some low/D/gK; rK and hK are what changes
 * make of it.
 */
#include "tests/stress/kill.h"

enum kill_low_name {
	KILL_LOW_F,
	KILL_LOW_G,
	KILL_LOW_R,
	KILL_LOW_H,
	KILL_LOW_NAMES
};

/* What one is, below or after a change. */
struct kill_want {
	bool is_link;
	uint32_t size, mode, uid, gid, attr;
	int64_t mtime;	/* seconds; 0: any */
	unsigned names; /* bits */
	unsigned char *bytes;
};

struct kill_doing {
	uint32_t k, size; /* as it is below */
	char f[KILL_PATH], r[KILL_PATH], h[KILL_PATH];
};

struct kill_low_change {
	bool on_links; /* on symbolic links too */
	void (*run)(struct kill_proc *p, struct kill_doing *d);
	void (*want)(struct kill_want *w, uint32_t k);
	/* What comes then, if anything does. */
	void (*run_then)(struct kill_proc *p, struct kill_doing *d);
	void (*want_then)(struct kill_want *w, uint32_t k);
};

extern const struct kill_low_change kill_low_changes[];
extern const unsigned kill_low_n_changes;

int kill_low_open(struct kill_proc *p, const char *path, int flags);

#endif
