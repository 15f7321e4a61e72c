/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_POWERCUT_H
#define VEFS_TESTS_STRESS_POWERCUT_H

/*
 * powercut - what its parts share: the journal, which is memory that the
 * device, the load and the check map and that no power cut reaches.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PC_PROCS 4
#define PC_OPS 12000 /* the most operations of a process */

/*
 * The operations of a process follow from the seeds alone: numbers suffice to
 * say which were begun and which were acknowledged.
 */
struct pc_journal {
	/* Writes and flushes until the cut; 0: it is not armed. */
	_Atomic uint32_t countdown;
	/* The cut was: nothing from now on is kept. */
	_Atomic uint32_t dead;
	struct {
		_Atomic uint32_t begun, done;
	} now[PC_PROCS];
	/* `done` just before the cut, `begun` just after it. */
	uint32_t done[PC_PROCS], begun[PC_PROCS];
	/* What the device did until the cut, and with what it then held. */
	uint32_t writes, flushes, held, kept, torn;
};

/* A sequence of numbers; its state is the seed. */
uint64_t pc_next(uint64_t *rng);
unsigned pc_random(uint64_t *rng, unsigned below);

/* Tell what is wrong and end. */
void pc_fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

struct pc_journal *pc_journal_open(const char *path);

/*
 * powercut disk IMAGE FILE JOURNAL SEED: be FILE, a device with a write cache
 * over IMAGE, until it is unmounted. The exit status.
 */
int pc_disk(const char *image, const char *file, struct pc_journal *j,
	    uint64_t seed);

/* What is tried: the tree that it begins with, and what is done to it. */
struct pc_seeds {
	uint64_t tree, ops;
};

/* powercut lower A B TREE: fill the two lower layers. */
int pc_lower(const char *a, const char *b, uint64_t tree);
/* powercut load DIR BACKING JOURNAL TREE OPS: until the cut. */
int pc_load(const char *dir, const char *backing, struct pc_journal *j,
	    const struct pc_seeds *seeds);
/* powercut check DIR JOURNAL TREE OPS [UPPER, if strict] */
int pc_check(const char *dir, const struct pc_journal *j,
	     const struct pc_seeds *seeds, const char *strict_upper);
/* powercut marks UPPER A B: whiteouts that hide nothing. */
int pc_marks(const char *upper, const char *a, const char *b);
/* powercut use DIR: change and remove all files with several names. */
int pc_use(const char *dir);

#endif
