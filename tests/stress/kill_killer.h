/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_KILL_KILLER_H
#define VEFS_TESTS_STRESS_KILL_KILLER_H

/* What the two halves of the killer share: kill_killer.c, kill_points.c. */
#include "fs/base/crash.h"
#include "tests/stress/kill.h"

/* A crash point and an opcode: point * CRASH_OPCODES + opcode. */
#define KILLER_PAIRS (CRASH_MAX * CRASH_OPCODES)

struct killer {
	const struct kill_options *o;
	struct kill_proc self;	       /* its random stream, its lines */
	struct crash_control *control; /* NULL: no points */
	pid_t worker, prober;
	uint64_t began, counted; /* when hits began and ended to be counted */
	uint64_t counted_hits[KILLER_PAIRS];
	uint32_t turns[KILLER_PAIRS];
};

void killer_pause(uint64_t ns);

/* Until a worker that came after `then` answers, and its number is known. */
bool killer_wait_answer(struct killer *k, uint64_t then);

/* Kill the worker now; false: it cannot be. */
bool killer_strike(struct killer *k);

/* The same, and wait; false: no other one comes. */
bool killer_random(struct killer *k);

/* Have it die at the next point; false as above. */
bool killer_point(struct killer *k);

/* What points are reached, and how often, while nothing is killed. */
void killer_count_hits(struct killer *k);

#endif
