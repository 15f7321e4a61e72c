/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_CONTENT_H
#define VEFS_TEMPLATES_CONTENT_H

/*
 * content - the digest of a file's content, at no cost for holes.
 *
 * The content is looked at in aligned blocks of 4096 bytes. What is digested
 * is the content with each longest run of zero blocks replaced by 16 bytes,
 * "vefshole" and its length in bytes, little endian; what follows the last
 * whole block counts as it is. So content without zero blocks has the digest
 * that xxh128sum prints, and it does not matter which zeros are holes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/base/digest.h"

#define CONTENT_BLOCK 4096u

struct content {
	struct digest_state *state; /* owned */
	uint64_t pos;		    /* bytes fed */
	uint64_t run;		    /* bytes of zero blocks not yet told */
	size_t fill;		    /* bytes in `part` */
	uint8_t part[CONTENT_BLOCK];
};

/* 0 or -ENOMEM. */
int content_init(struct content *c);
void content_free(struct content *c);
void content_reset(struct content *c);

void content_data(struct content *c, const void *data, size_t len);
/* `len` zero bytes. */
void content_hole(struct content *c, uint64_t len);
void content_final(struct content *c, struct digest *out);

/* Are these bytes all zero? */
bool content_is_zero(const void *data, size_t len);

#endif
