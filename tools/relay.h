/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_RELAY_H
#define VEFS_TOOLS_RELAY_H

/*
 * relay - carrying bytes between our terminal and something in a container,
 * until that has ended.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct relay_way {
	int from, to;
	bool ours; /* `from` is our standard input: `to` is closed at its end */
	bool types; /* `to` is a terminal: it is told of the end by ^D */
};

#define RELAY_WAYS 3

enum relay_cut { RELAY_UNCUT, RELAY_TOLD, RELAY_LATE };

struct relay {
	struct relay_way way[RELAY_WAYS];
	size_t n;
	pid_t child; /* its end ends it; 0: the end of what it gives does */
	/*
	 * One that may not take long is sent `ender`, in place of a signal that
	 * is to end us, and after `ms`; it is left alone when it still has not
	 * ended some seconds later. 0: as long as it likes.
	 */
	int ender;
	unsigned ms;
	enum relay_cut cut; /* was it? */
	bool raw;	    /* our terminal hands on every key */
	bool escape;	    /* Esc and then "." leaves */
	/* Our terminal has another size; called once at the beginning. */
	void (*size)(void *ctx, unsigned rows, unsigned columns);
	void *ctx;
};

/* The size of the terminal that is our standard input; 0, 0: it has none. */
void relay_size(unsigned *rows, unsigned *columns);

/*
 * What somebody inside gets as his standard input, output or error instead of
 * our `fd`: the end of a pipe that will be carried to and from. Only a pipe he
 * gets as it is: by a terminal he could read what is typed, by a directory come
 * out, by a file write what he was given to read, by a socket have our network.
 * The caller's to close; or -errno.
 */
int relay_stdio(struct relay *r, int fd);

/*
 * The status that wait(2) gave of the child, that of a killed one if it was left
 * alone; 0 without one. Where what it said could not be written that is told,
 * and 0 becomes an exit status of 1. Signals that are to end us go to the child and its
 * group. Descriptors of `way` other than 0, 1, 2 are closed.
 */
int relay_run(struct relay *r);

#endif
