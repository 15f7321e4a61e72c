/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/content.h"

#include <errno.h>
#include <string.h>

/*
 * `part` holds the beginning of a block, less than all of it; while it holds
 * anything, `run` is still before it. A zero block never reaches the state.
 */

static const uint8_t zeros[CONTENT_BLOCK];

int content_init(struct content *c)
{
	memset(c, 0, sizeof(*c));
	c->state = digest_new();
	return c->state ? 0 : -ENOMEM;
}

void content_free(struct content *c)
{
	if (c->state)
		digest_free(c->state);
	c->state = NULL;
}

void content_reset(struct content *c)
{
	digest_reset(c->state);
	c->pos = 0;
	c->run = 0;
	c->fill = 0;
}

bool content_is_zero(const void *data, size_t len)
{
	const uint8_t *p = data;

	return !len || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static void end_run(struct content *c)
{
	uint8_t mark[16] = "vefshole";

	if (!c->run)
		return;
	for (int i = 0; i < 8; i++)
		mark[8 + i] = (uint8_t)(c->run >> (8 * i));
	digest_update(c->state, mark, sizeof(mark));
	c->run = 0;
}

/* Whole blocks. */
static void blocks(struct content *c, const uint8_t *data, size_t len)
{
	size_t begin = 0, at;

	for (at = 0; at < len; at += CONTENT_BLOCK) {
		if (!content_is_zero(data + at, CONTENT_BLOCK)) {
			end_run(c);
			continue;
		}
		if (begin < at)
			digest_update(c->state, data + begin, at - begin);
		begin = at + CONTENT_BLOCK;
		c->run += CONTENT_BLOCK;
	}
	if (begin < at)
		digest_update(c->state, data + begin, at - begin);
}

void content_data(struct content *c, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t n;

	c->pos += len;
	if (c->fill) {
		n = CONTENT_BLOCK - c->fill;
		if (n > len)
			n = len;
		memcpy(c->part + c->fill, p, n);
		c->fill += n;
		p += n;
		len -= n;
		if (c->fill < CONTENT_BLOCK)
			return;
		c->fill = 0;
		blocks(c, c->part, CONTENT_BLOCK);
	}
	n = len - len % CONTENT_BLOCK;
	blocks(c, p, n);
	memcpy(c->part, p + n, len - n);
	c->fill = len - n;
}

void content_hole(struct content *c, uint64_t len)
{
	uint64_t n;

	if (c->fill) {
		n = CONTENT_BLOCK - c->fill;
		if (n > len)
			n = len;
		content_data(c, zeros, (size_t)n);
		len -= n;
	}
	n = len - len % CONTENT_BLOCK;
	c->run += n;
	c->pos += n;
	content_data(c, zeros, (size_t)(len - n));
}

void content_final(struct content *c, struct digest *out)
{
	end_run(c);
	digest_update(c->state, c->part, c->fill);
	digest_final(c->state, out);
}
