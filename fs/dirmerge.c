/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/dirmerge.h"

#include "fs/base/array.h"
#include "fs/base/cleanup.h"
#include "fs/dirlayer.h"

/*
 * Every layer's names are appended, the topmost first; then one sort brings
 * the same names together, and of each only the topmost stays, unless it is a
 * whiteout. Cookies are COOKIE_BITS of a hash; of two names with one hash the
 * second gets the next number.
 */
#define COOKIE_FIRST 16u
#define COOKIE_BITS 62

struct item {
	uint64_t cookie;
	uint64_t ino;
	uint32_t name; /* offset in names */
	uint8_t layer; /* order of search */
	uint8_t type;
	uint8_t upper;
};

struct dirmerge {
	struct item *items;
	size_t n, room;
	char *names;
	size_t names_len, names_room;
	uint8_t layer; /* being read */
	bool upper;
};

static uint64_t cookie_of(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	h ^= h >> 32;
	return (h >> (64 - COOKIE_BITS)) | COOKIE_FIRST;
}

static int append(void *ctx, const char *name, uint64_t ino, unsigned type)
{
	struct dirmerge *m = ctx;
	size_t len = strlen(name) + 1;

	if (ARRAY_FIT(m->items, m->room, m->n + 1) < 0 ||
	    ARRAY_FIT(m->names, m->names_room, m->names_len + len) < 0)
		return -ENOMEM;
	m->items[m->n++] = (struct item){
		.cookie = cookie_of(name),
		.ino = ino,
		.name = (uint32_t)m->names_len,
		.layer = m->layer,
		.type = (uint8_t)type,
		.upper = m->upper,
	};
	memcpy(m->names + m->names_len, name, len);
	m->names_len += len;
	return 0;
}

static int compare(const void *pa, const void *pb, void *ctx)
{
	const struct item *a = pa, *b = pb;
	const struct dirmerge *m = ctx;
	int r;

	if (a->cookie != b->cookie)
		return a->cookie < b->cookie ? -1 : 1;
	r = strcmp(m->names + a->name, m->names + b->name);
	return r ? r : (int)a->layer - (int)b->layer;
}

static size_t bucket_of(const struct item *it, size_t buckets)
{
	return (size_t)(((unsigned __int128)it->cookie * buckets) >>
			COOKIE_BITS);
}

/*
 * Hashes are spread evenly: each goes to its bucket at once, and few are to be
 * sorted there. Names that were made to share one cost what a sort costs.
 */
static int sort(struct dirmerge *m)
{
	_cleanup_free_ size_t *end = calloc(m->n + 1, sizeof(*end));
	struct item *sorted = calloc(m->n + 1, sizeof(*sorted));
	size_t from = 0;

	if (!end || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < m->n; i++)
		end[bucket_of(&m->items[i], m->n) + 1]++;
	for (size_t b = 0; b < m->n; b++)
		end[b + 1] += end[b];
	/* Until here the beginnings; each moves on to its bucket's end. */
	for (size_t i = 0; i < m->n; i++)
		sorted[end[bucket_of(&m->items[i], m->n)]++] = m->items[i];
	for (size_t b = 0; b < m->n; from = end[b++]) {
		if (end[b] - from > 1)
			qsort_r(sorted + from, end[b] - from, sizeof(*sorted),
				compare, m);
	}
	free(m->items);
	m->items = sorted;
	m->room = m->n + 1;
	return 0;
}

static void settle(struct dirmerge *m)
{
	const char *last = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct item *it = &m->items[i];
		const char *name = m->names + it->name;

		if (last && strcmp(name, last) == 0)
			continue;
		last = name;
		if (it->type == LAYER_DT_WHITEOUT)
			continue;
		if (kept && m->items[kept - 1].cookie >= it->cookie)
			it->cookie = m->items[kept - 1].cookie + 1;
		m->items[kept++] = *it;
	}
	m->n = kept;
}

static int read_layer(struct dirmerge *m, struct overlay *o,
		      const struct ref *ref)
{
	struct layer *l = overlay_layer(o, ref);
	int r;

	m->upper = ref->layer == REF_UPPER;
	r = l->ops->list(l, ref, append, m);
	m->layer++;
	return r;
}

int dirmerge_new(struct dirmerge **out, struct overlay *o,
		 const struct itable_view *dir)
{
	struct dirmerge *m = calloc(1, sizeof(*m));
	int r = 0;

	if (!m)
		return -ENOMEM;
	if (dir->flags & INODE_UPPER)
		r = read_layer(m, o, &dir->upper);
	for (unsigned i = 0; i < dir->n_lower && r == 0; i++) {
		struct ref below;

		itable_view_lower(dir, i, &below);
		r = read_layer(m, o, &below);
	}
	if (r == 0)
		r = sort(m);
	if (r < 0) {
		dirmerge_free(m);
		return r;
	}
	settle(m);
	*out = m;
	return 0;
}

void dirmerge_free(struct dirmerge *m)
{
	if (!m)
		return;
	free(m->items);
	free(m->names);
	free(m);
}

size_t dirmerge_seek(const struct dirmerge *m, uint64_t cookie)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->items[mid].cookie < cookie)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool dirmerge_get(const struct dirmerge *m, size_t index,
		  struct dirmerge_entry *out)
{
	const struct item *it;

	if (index >= m->n)
		return false;
	it = &m->items[index];
	*out = (struct dirmerge_entry){
		.name = m->names + it->name,
		.ino = it->ino,
		.cookie = it->cookie,
		.type = it->type,
		.upper = it->upper,
	};
	return true;
}
