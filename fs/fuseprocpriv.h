/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEPROCPRIV_H
#define VEFS_FS_FUSEPROCPRIV_H

/*
 * fuseprocpriv - what fuseproc's parts share: the session (fuseproc.c), the
 * operations (fuseprocops.c), the texts (fuseproctext.c).
 */
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 18)
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <time.h>

#include "fs/base/backoff.h"
#include "fs/base/strbuf.h"
#include "fs/fuseproc.h"

/* A file's text as it was told last. */
struct fuseproc_image {
	struct strbuf text;
	uint64_t at; /* clock_now() when made, 0: not there */
	struct timespec changed;
	bool was_read;
};

struct fuseproc_opening {
	struct fuseproc_opening *next;
	uint64_t fh;
	struct fuseproc_image image;
};

struct fuseproc_mount {
	struct fuseproc_server *s;
	unsigned kind;
	int fd; /* the device */
	struct fuse_session *se;
	struct fuseproc_image *image; /* of each row */
	struct fuseproc_opening *openings;
	unsigned n_openings;
	uint64_t next_fh;
	bool ready;
	bool expects;	     /* who was answered asks again at once */
	struct backoff vain; /* waiting for that, ns */
};

struct procgather;

struct fuseproc_server {
	const struct fuseproc_config *cfg;
	struct source *source;
	struct procgather *gather; /* of the thread of `opened` */
	struct procstate_bean kept[PROCSTATE_ROWS]; /* as saved last */
	uint64_t kept_at;
	const struct procfiles_row *rows;
	unsigned n_rows;
	uint64_t begun; /* s since the epoch: the time of what never changes */
	int ended;	/* an eventfd: be done with it */
	struct fuseproc_mount mount[FUSEPROC_MOUNTS];
};

#endif
