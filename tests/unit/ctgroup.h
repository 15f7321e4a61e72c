/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_CTGROUP_H
#define VEFS_TESTS_UNIT_CTGROUP_H

/*
 * ctgroup - a container's groups with a name that nobody else has, and
 * processes in them, for the suites of cgroup. Nothing is left behind, also
 * when a test fails: the case's unchecked fixture.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "tests/unit/unit.h"
#include "tools/ct/cgroup.h"

/* tcase_add_unchecked_fixture(t, ctgroup_begin, ctgroup_finish) */
void ctgroup_begin(void);
void ctgroup_finish(void);

/* Can groups be made here? False: the test is skipped, with the reason. */
bool ctgroup_possible(const char *test);

const char *ctgroup_name(void);

/* The test fails where these do. */
struct cgroup *ctgroup_make(uint32_t owner);
void ctgroup_remove(struct cgroup *g); /* and frees it */

/*
 * A process in the payload (`g` NULL: as this one) that does `body`, which
 * says when it is ready to be looked at; returning ends it with 0. It is over
 * when this one ends.
 */
pid_t ctgroup_start(struct cgroup *g, void (*body)(void *arg), void *arg);
void ctgroup_ready(void);
/* A body: it is ready and sleeps. */
void ctgroup_sleep(void *arg);

/* The text of /proc/PID/cgroup. */
void ctgroup_places_of(pid_t pid, char text[4096]);
/* In how many hierarchies is it in this part of ours, or where both are? */
unsigned ctgroup_places(pid_t pid, const char *part);

/* Kill it, and wait; wait for its own end: the exit code, -1: a signal. */
void ctgroup_end(pid_t pid);
int ctgroup_wait(pid_t pid);

#endif
