/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/digest.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

struct digest_state *digest_new(void)
{
	XXH3_state_t *s = XXH3_createState();

	if (s)
		XXH3_128bits_reset(s);
	return (struct digest_state *)s;
}

void digest_free(struct digest_state *s)
{
	XXH3_freeState((XXH3_state_t *)s);
}

void digest_reset(struct digest_state *s)
{
	XXH3_128bits_reset((XXH3_state_t *)s);
}

void digest_update(struct digest_state *s, const void *data, size_t len)
{
	XXH3_128bits_update((XXH3_state_t *)s, data, len);
}

static void canonical(XXH128_hash_t h, struct digest *out)
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, h);
	memcpy(out->bytes, c.digest, DIGEST_BYTES);
}

void digest_final(const struct digest_state *s, struct digest *out)
{
	canonical(XXH3_128bits_digest((const XXH3_state_t *)s), out);
}

void digest_of(const void *data, size_t len, struct digest *out)
{
	canonical(XXH3_128bits(data, len), out);
}

char *digest_hex(const struct digest *d, char hex[DIGEST_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		hex[2 * i] = digits[d->bytes[i] >> 4];
		hex[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	hex[DIGEST_HEX] = '\0';
	return hex;
}

static int value_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int digest_parse(const char *hex, struct digest *out)
{
	struct digest d;

	if (strlen(hex) != DIGEST_HEX)
		return -EINVAL;
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		int high = value_of(hex[2 * i]);
		int low = value_of(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		d.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*out = d;
	return 0;
}
