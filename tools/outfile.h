/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_OUTFILE_H
#define VEFS_TOOLS_OUTFILE_H

/*
 * outfile - a file that a command writes for its user. It stands there whole
 * or not at all: what was there before stays until all is written, and stays
 * for good when something fails. A device, a fifo or what else is no regular
 * file is written as it is.
 */
#include <limits.h>

struct outfile {
	int fd;			 /* to be written; borrowed */
	int dir;		 /* private; -1: it is written as it is */
	char name[NAME_MAX + 1]; /* private, in dir: what it will be called */
	char temp[NAME_MAX + 1]; /* private, in dir: what it is called so far */
};

#define OUTFILE_NONE                                                           \
	{                                                                      \
		.fd = -1, .dir = -1                                            \
	}

/*
 * Begin to write `path`. Links are followed; one that leads to nothing yet
 * gets what it leads to. One that replaces another file takes its mode and its
 * owner, a new one has mode 0600. 0, or -errno.
 */
int outfile_open(struct outfile *o, const char *path);

/* All is written: sync it, and give it its name. 0, or -errno. */
int outfile_finish(struct outfile *o);

/* Remove what is not finished. Nothing happens to one that is. */
void outfile_free(struct outfile *o);

#endif
