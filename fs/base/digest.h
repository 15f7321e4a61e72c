/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_DIGEST_H
#define VEFS_FS_BASE_DIGEST_H

/*
 * digest - XXH3-128: the name of content. Fast, well spread, and not
 * cryptographic: who trusts an equal digest of foreign bytes compares them.
 */
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 16
#define DIGEST_HEX (2 * DIGEST_BYTES) /* without a NUL */

/* Canonical order: its hexadecimal form is what xxh128sum prints. */
struct digest {
	uint8_t bytes[DIGEST_BYTES];
};

/* A digest in the making; one thread at a time. */
struct digest_state;

/* NULL: no memory. */
struct digest_state *digest_new(void);
void digest_free(struct digest_state *s);
void digest_reset(struct digest_state *s);
void digest_update(struct digest_state *s, const void *data, size_t len);
void digest_final(const struct digest_state *s, struct digest *out);

/* Of `len` bytes at once. */
void digest_of(const void *data, size_t len, struct digest *out);

/* Lower case hexadecimal with a NUL; returns `hex`. */
char *digest_hex(const struct digest *d, char hex[DIGEST_HEX + 1]);

/* The whole of a string of DIGEST_HEX digits, or -EINVAL. */
int digest_parse(const char *hex, struct digest *out);

#endif
