/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_IMPORTTAR_H
#define VEFS_TEMPLATES_IMPORTTAR_H

/*
 * importtar - the entries of a tar, plain or compressed, into the tree.
 */
#include "templates/importpriv.h"

struct sha256_ctx;

struct importtar_source {
	int fd;		  /* borrowed, read to its end */
	const char *name; /* for messages */
	bool layer;	  /* of an image: `.wh.` names are whiteouts */
	/* All bytes are fed to it, if given. */
	struct sha256_ctx *sum;
};

int importtar_read(struct import *im, const struct importtar_source *s);

struct archive;

/*
 * Open for reading what is a tar; for who reads it himself. `s` must live as
 * long. Free with archive_read_free().
 */
int importtar_open(struct import *im, const struct importtar_source *s,
		   struct archive **out);

#endif
