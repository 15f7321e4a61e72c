/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/usage.h"

#include "fs/base/cleanup.h"
#include "fs/base/u64map.h"
#include "templates/index.h"

/*
 * An object's row: in the low half the version that had it last (plus one) and
 * SHARED when there was another before; in the high half that of the second
 * pass, which by then knows who shares.
 */
#define SHARED 0x80000000u
#define WHO 0x7fffffffu

struct count {
	struct u64map objects;
	uint32_t version;
	bool second;
	struct usage *out;
};

static int count_one(void *ctx, _unused_ uint64_t ino, const struct node *n)
{
	struct count *c = ctx;
	uint64_t *row;
	uint32_t low;

	if (!S_ISREG(n->mode))
		return 0;
	row = u64map_at(&c->objects, object_key(&n->object));
	if (!row)
		return -ENOMEM;
	low = (uint32_t)*row;
	if (!c->second) {
		if ((low & WHO) == c->version)
			return 0;
		c->out->blocks += n->blocks;
		*row = c->version | (low ? SHARED : 0);
	} else if (*row >> 32 != c->version) {
		if (!(low & SHARED))
			c->out->own += n->blocks;
		*row = (uint64_t)c->version << 32 | low;
	}
	return 0;
}

static int count_version(struct catalog *c, const struct catalog_version *v,
			 struct count *count)
{
	_cleanup_close_ int dir = -1;
	struct why none = { "" };
	struct index *x;
	int r;

	dir = catalog_hold(c, &v->id, &none);
	if (dir < 0 || index_open(dir, 0, &x) < 0)
		return 0;
	r = index_each(x, count_one, count);
	index_free(x);
	return r == -ENOMEM ? r : 0;
}

int usage_count(struct catalog *c, const struct catalog_version *v, size_t n,
		struct usage *out)
{
	struct count count = { .version = 0 };
	int r = 0;

	for (size_t i = 0; i < n; i++)
		out[i] = (struct usage){ 0 };
	for (int pass = 0; pass < 2; pass++) {
		count.second = pass;
		for (size_t i = 0; i < n && r == 0; i++) {
			count.version = (uint32_t)i + 1;
			count.out = &out[i];
			r = count_version(c, &v[i], &count);
		}
	}
	u64map_free(&count.objects);
	return r;
}
