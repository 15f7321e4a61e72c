/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_IMPORTPRIV_H
#define VEFS_TEMPLATES_IMPORTPRIV_H

/* importpriv - what the readers of sources share: one import under way. */
#include "templates/import.h"
#include "templates/pipeline.h"
#include "templates/staging.h"
#include "templates/tree.h"

struct import {
	struct catalog *catalog;
	const struct import_options *options;
	struct staging staging;
	struct object_pool pool;
	struct tree_limits limits;
	struct tree *tree;
	struct pipeline *pipeline;
	struct import_state state;
	struct why *why;
	uint64_t bytes_put; /* of files' data */
	uint64_t told;	    /* when progress was last told, clock_now() */
	unsigned warned;
	struct strbuf source, config; /* to be kept in the index */
};

/* Count `n` bytes read and tell progress. 0 or -ECANCELED. */
int importpriv_read(struct import *im, uint64_t n);
/* One entry more. */
int importpriv_entry(struct import *im);
void importpriv_warn(struct import *im, const char *fmt, ...) _printf_(2, 3);

/* The data of a file: as pipeline.h, with the reason in im->why. */
int importpriv_begin(struct import *im, uint64_t ino, bool sparse);
int importpriv_data(struct import *im, uint64_t off, const void *data,
		    size_t len);
int importpriv_end(struct import *im, uint64_t size);

/* One attribute from outside: left out if no file could have it. */
int importpriv_xattr(struct import *im, struct node_xattrs *to,
		     const char *name, const void *value, size_t len,
		     const char *path);

#endif
