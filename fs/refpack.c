/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/refpack.h"

size_t refpack_put(uint8_t *out, const struct ref *r)
{
	uint8_t *p = out;

	*p++ = r->layer;
	*p++ = r->len;
	memcpy(p, &r->type, sizeof(r->type));
	p += sizeof(r->type);
	if (r->type == REF_PINNED) {
		memcpy(p, &r->fd, sizeof(r->fd));
		p += sizeof(r->fd);
	}
	memcpy(p, r->bytes, r->len);
	return (size_t)(p - out) + r->len;
}

size_t refpack_get(const uint8_t *in, struct ref *r)
{
	const uint8_t *p = in;

	r->layer = *p++;
	r->len = *p++;
	memcpy(&r->type, p, sizeof(r->type));
	p += sizeof(r->type);
	r->fd = -1;
	if (r->type == REF_PINNED) {
		memcpy(&r->fd, p, sizeof(r->fd));
		p += sizeof(r->fd);
	}
	memcpy(r->bytes, p, r->len);
	return (size_t)(p - in) + r->len;
}

size_t refpack_blob(uint8_t *out, const struct ref *upper,
		    const struct ref *lower, unsigned n_lower, const char *name)
{
	size_t name_len = strlen(name);
	uint8_t *p = out;

	*p++ = (uint8_t)n_lower;
	*p++ = (uint8_t)name_len;
	if (ref_is(upper))
		p += refpack_put(p, upper);
	for (unsigned i = 0; i < n_lower; i++)
		p += refpack_put(p, &lower[i]);
	memcpy(p, name, name_len);
	return (size_t)(p - out) + name_len;
}

bool refpack_pins(const uint8_t *blob)
{
	const uint8_t *p = blob + 2;
	struct ref r;
	unsigned n;

	p += refpack_get(p, &r);
	n = r.layer == REF_UPPER ? blob[0] : blob[0] - 1u;
	while (r.type != REF_PINNED && n-- > 0)
		p += refpack_get(p, &r);
	return r.type == REF_PINNED;
}
