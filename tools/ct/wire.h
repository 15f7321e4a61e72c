/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_WIRE_H
#define VEFS_TOOLS_CT_WIRE_H

/*
 * wire - how a process on its way into a container and its maker talk: by a
 * socket, in messages. The socket is closed by the exec: its end is what
 * success looks like.
 */
#include <stddef.h>
#include <sys/types.h>

#include "templates/why.h"

struct wire_message {
	enum wire_what {
		WIRE_MAPPED, /* to it: its ids are set */
		WIRE_GO,     /* to it: all is there */
		WIRE_TTY, /* from it: the master of its terminal comes along */
		WIRE_COVER,  /* to it: a mount to be put over why.text */
		WIRE_LISTEN, /* where listeners go comes along; NOTIFY_* */
		WIRE_FILES,  /* a mount of virtual files comes along */
		WIRE_PID,    /* from it: `number` */
		WIRE_PART,   /* from it: a mount comes along */
		WIRE_FAILED, /* from it: why; it ends */
	} what;
	int number;
	struct why why;
};

/* A pair of ends; 0 or -errno. */
int wire_pair(int *near, int *far);
/* A descriptor comes along if it is not -1. 0 or -errno. */
int wire_say(int wire, const struct wire_message *m, int fd);
/* The next one, with its descriptor or -1: 1; 0: the end; or -errno. */
int wire_hear(int wire, struct wire_message *m, int *fd);

/* What has come of it: both -1 at first. */
struct wire_heard {
	pid_t pid; /* by WIRE_PID */
	int tty;   /* by WIRE_TTY; the caller's to close */
};
/*
 * Hear it until it is its program, or is not to be: 0, or -errno, with what it
 * said in `why`. One that was killed says nothing.
 */
int wire_follow(int wire, struct wire_heard *heard, struct why *why);

#endif
