/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/gunzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

/*
 * BETWEEN members (or before the first), INSIDE one, or PAST the last: then
 * input is dropped. A member follows where its first byte does.
 */
enum state { BETWEEN, INSIDE, PAST };

#define MAGIC1 0x1f
#define MAGIC2 0x8b
#define GZIP_WINDOW (15 + 16) /* zlib's way to say gzip only */

struct gunzip {
	z_stream z;
	enum state state;
	bool began;
};

struct gunzip *gunzip_new(void)
{
	struct gunzip *g = calloc(1, sizeof(*g));

	if (g && inflateInit2(&g->z, GZIP_WINDOW) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

void gunzip_free(struct gunzip *g)
{
	if (!g)
		return;
	inflateEnd(&g->z);
	free(g);
}

bool gunzip_is(const void *data, size_t len)
{
	const unsigned char *p = data;

	return len >= 2 && p[0] == MAGIC1 && p[1] == MAGIC2;
}

void gunzip_feed(struct gunzip *g, const void *data, size_t len)
{
	g->z.next_in = (unsigned char *)data;
	g->z.avail_in = (unsigned)len;
}

static void begin_member(struct gunzip *g)
{
	if (g->began && g->z.next_in[0] != MAGIC1) {
		g->state = PAST;
		return;
	}
	g->state = INSIDE;
	if (g->began)
		inflateReset(&g->z);
	g->began = true;
}

long gunzip_take(struct gunzip *g, void *out, size_t size)
{
	int r;

	g->z.next_out = out;
	g->z.avail_out = (unsigned)size;
	while (g->z.avail_in > 0 && g->z.avail_out > 0) {
		if (g->state == BETWEEN)
			begin_member(g);
		if (g->state == PAST) {
			g->z.avail_in = 0;
			break;
		}
		r = inflate(&g->z, Z_NO_FLUSH);
		if (r == Z_STREAM_END)
			g->state = BETWEEN;
		else if (r != Z_OK)
			return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	}
	/* what zlib still holds comes without input */
	if (g->state == INSIDE && g->z.avail_out > 0) {
		r = inflate(&g->z, Z_NO_FLUSH);
		if (r == Z_STREAM_END)
			g->state = BETWEEN;
		else if (r != Z_OK && r != Z_BUF_ERROR)
			return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	}
	return (long)(size - g->z.avail_out);
}

bool gunzip_is_whole(const struct gunzip *g)
{
	return g->state != INSIDE;
}
