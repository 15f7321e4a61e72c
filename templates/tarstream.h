/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_TARSTREAM_H
#define VEFS_TEMPLATES_TARSTREAM_H

/*
 * tarstream - a tar's entries, whatever it is compressed by. The sums of the
 * compression are looked at, and what a header may take is limited: nothing
 * that is read makes memory grow with it.
 */
#include "templates/importpriv.h"

struct sha256_ctx;
struct archive;
struct archive_entry;

struct tarstream_source {
	int fd;		  /* borrowed, read to its end */
	const char *name; /* for messages */
	bool layer;	  /* of an image: `.wh.` names are whiteouts */
	/* All bytes are fed to it, if given. */
	struct sha256_ctx *sum;
};

struct tarstream;

/* `s` must live as long. 0, or -errno, told in im->why. */
int tarstream_open(struct import *im, const struct tarstream_source *s,
		   struct tarstream **out);
void tarstream_free(struct tarstream *t);

/* To read data of entries from, and what libarchive has to say. */
struct archive *tarstream_archive(struct tarstream *t);

/* The next entry, as archive_read_next_header(3) returns it. */
int tarstream_next(struct tarstream *t, struct archive_entry **e);

/* Tell why libarchive gave up. Returns -errno. */
int tarstream_failed(struct tarstream *t);

#endif
