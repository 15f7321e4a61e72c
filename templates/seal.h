/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_SEAL_H
#define VEFS_TEMPLATES_SEAL_H

/*
 * seal - the small text file beside a version's index that says what it is
 * and vouches for its bytes (fs/FORMAT.md). Written last.
 */
#include <stdint.h>

#include "fs/base/digest.h"

#define SEAL_FORMAT 1u
#define SEAL_NAME "seal"
#define SEAL_INDEX "index.mdb"

struct seal {
	uint64_t serial;	 /* order of import in the store, from 1 */
	uint64_t created;	 /* seconds since 1970 */
	uint64_t index_size;	 /* bytes of index.mdb */
	struct digest index_sum; /* of the bytes of index.mdb */
	struct digest digest;	 /* of what the version contains */
	uint64_t nodes;		 /* inodes */
	uint64_t size;		 /* bytes of files, hard links once */
};

/* Write and sync the seal in the directory `dir`, which has none. */
int seal_write(int dir, const struct seal *s);

/*
 * -ENOENT, -EUCLEAN: it is damaged, -EPROTONOSUPPORT: of a newer format, or
 * -errno.
 */
int seal_read(int dir, struct seal *out);

/* Digest the bytes of an open file. */
int seal_sum(int fd, struct digest *out, uint64_t *size);

#endif
