/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_INTEGRATION_ESCAPE_ESCAPE_H
#define VEFS_TESTS_INTEGRATION_ESCAPE_ESCAPE_H

/*
 * escape - ways out of a container that people have found, one a command.
 *
 *	escape WAY ARGUMENT...
 *
 * Exit status 0: it led out, and what it reached is told; 1: it is closed, by
 * the error that is told; 2: this machine does not have it.
 */
#define ESCAPED 0
#define CLOSED 1
#define ABSENT 2

struct escape_way {
	const char *name;
	int args; /* at least */
	int (*run)(char **arg);
};

/* Tables, ended by an empty row. */
extern const struct escape_way escape_calls[], escape_mounts[], escape_procs[];

/* Tell what was reached or why not; ESCAPED, CLOSED and ABSENT. */
int escape_out(const char *what);
int escape_closed(const char *what); /* by errno */
int escape_absent(const char *what); /* by errno */

/* Of a call that returned `r`: refused for lack of a right, or it got past
 * that, whatever it said then. */
int escape_right(const char *what, long r);

#endif
