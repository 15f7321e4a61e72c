/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_FAULTS_RUN_H
#define VEFS_TESTS_STRESS_FAULTS_RUN_H

/*
 * faults_run - one scenario with all its faults, and what is found wrong.
 */
#include "tests/stress/faults.h"

struct faults_fault {
	enum fault_call call; /* FAULT_CALLS: none */
	unsigned nth;
	enum fault_mode mode;
	int error;
};

struct faults_try {
	unsigned id; /* its directory: c and this number */
	struct faults_fault f;
	struct faults_state base;
	char *expect;	   /* what must be seen from now on; owned */
	bool undone;	   /* it failed and was not done again */
	bool wrong;	   /* told already: what follows would tell the same */
	uint32_t n_frames; /* where the fault was */
	uint64_t frames[FAULT_FRAMES];
};

struct faults_run {
	struct faults_mount m;
	struct faults_scenario s;
	const char *name;
	int mnt;
	int depth;
	struct faults_state base; /* of a scenario that mounts */
	/* What comes out without a fault. */
	long result;
	char *after, *out;
	uint32_t seen[FAULT_CALLS];
	unsigned tried, fired, wrong;
};

extern const char *const faults_call_names[FAULT_CALLS];
extern const char *const faults_mode_names[];

/*
 * Tell what is wrong, if anything is: `why`, which is freed. The line begins
 * with what `faults try` takes to do the same again.
 */
bool faults_wrong(struct faults_run *r, const struct faults_try *t,
		  const char *when, char *why);
/* Where in the daemon the fault was, by its stack. */
void faults_tell_caller(const struct faults_try *t);
/* Tell which one is under way, for whoever finds that it hangs. */
void faults_note(const struct faults_run *r, const struct faults_fault *f);

void faults_arm(struct faults_run *r, const struct faults_fault *f);
void faults_disarm(struct faults_run *r, struct faults_try *t);

/* Without a fault: what must come out, and which calls there are. */
void faults_learn(struct faults_run *r);
/* With each of these, all on one mount. */
void faults_try_all(struct faults_run *r, struct faults_try *all, unsigned n);

/* The same where mounting is what fails. */
void faults_learn_mount(struct faults_run *r);
void faults_try_mounts(struct faults_run *r, struct faults_try *all,
		       unsigned n);

/* Parts of it. */
void faults_make_lowers(const struct faults_run *r, unsigned n);
int faults_open_trial(const struct faults_run *r, unsigned id);
/* Make what stands there before, and look at it. */
void faults_prepare(struct faults_run *r, struct faults_try *t);
char *faults_compare(const struct faults_run *r, const struct faults_try *t,
		     const char *expect);
void faults_mount_it(struct faults_run *r);
void faults_unmount_it(struct faults_run *r);

#endif
