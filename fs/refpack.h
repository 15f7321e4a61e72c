/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_REFPACK_H
#define VEFS_FS_REFPACK_H

/*
 * refpack - refs and a name as bytes: how the inode table keeps them.
 *
 * A ref is layer, length, type (two bytes, the host's order), the descriptor
 * if it pins one, and its bytes. A blob is the number of lowers, the length of
 * the name, upper's ref if there is one, the lowers' and the name.
 */
#include <stddef.h>

#include "fs/ref.h"

#define REFPACK_NAME_MAX 255

/* Bytes that a blob with this many lowers has at most. */
#define REFPACK_BOUND(n_lower)                                                 \
	(2 + ((n_lower) + 1) * sizeof(struct ref) + REFPACK_NAME_MAX)

/* Write a ref; the number of bytes. */
size_t refpack_put(uint8_t *out, const struct ref *r);

/* Read one; the number of bytes. */
size_t refpack_get(const uint8_t *in, struct ref *r);

/* May a blob have a ref that pins a descriptor? */
bool refpack_pins(const uint8_t *blob);

/* Write a blob; `upper` may be none. The number of bytes. */
size_t refpack_blob(uint8_t *out, const struct ref *upper,
		    const struct ref *lower, unsigned n_lower,
		    const char *name);

#endif
