/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_JAILED_H
#define VEFS_TESTS_UNIT_JAILED_H

/*
 * jailed - a process in new namespaces that goes through all of jail.h, in the
 * order it demands, and then runs a function of the test.
 */
#include <sys/types.h>

#include "templates/why.h"
#include "tests/unit/unit.h"
#include "tools/ct/spec.h"

#define JAILED_TEXT 8192

struct jailed_out {
	char *text;
	size_t len, size;
};

struct jailed {
	struct spec s;
	char path[UNIT_PATH_MAX]; /* its tree */
	int tree;
	bool last; /* leave out what follows jail_enter() */
	/* of the last run: of the first function that failed, or 0 */
	int result;
	struct why why;
	int status; /* of wait */
	char out[JAILED_TEXT];
};

/* NULL, or why no such process can be had here. */
const char *jailed_lack(void);

/*
 * A tree with a file "marker", owned by `base`. What unit_tmpdir() makes goes
 * with the run.
 */
void jailed_make(struct jailed *j, uint32_t base, uint32_t count);

/* Give all of the tree to its root, once more is in it. */
void jailed_own(struct jailed *j);

/* Run `inside` (NULL: nothing) in it, and wait for the end. */
void jailed_run(struct jailed *j, void (*inside)(struct jailed_out *out));

/* Called inside: add to what comes back as `out`. */
void jailed_say(struct jailed_out *out, const char *fmt, ...) _printf_(2, 3);

#endif
