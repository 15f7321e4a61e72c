/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/u64map.h"

#include <stdlib.h>

/* cap is 0 or a power of two, at most three quarters of it used. */

#define FIRST 1024u

void u64map_free(struct u64map *m)
{
	free(m->rows);
	*m = (struct u64map){ 0 };
}

static struct u64map_row *slot(struct u64map_row *rows, size_t cap,
			       uint64_t key)
{
	uint64_t h = key * 0x9e3779b97f4a7c15u;
	size_t at = (size_t)(h ^ (h >> 32)) & (cap - 1);

	while (rows[at].key && rows[at].key != key)
		at = (at + 1) & (cap - 1);
	return &rows[at];
}

static int grow(struct u64map *m)
{
	size_t cap = m->cap ? 2 * m->cap : FIRST;
	struct u64map_row *rows = calloc(cap, sizeof(*rows));

	if (!rows)
		return -1;
	for (size_t i = 0; i < m->cap; i++)
		if (m->rows[i].key)
			*slot(rows, cap, m->rows[i].key) = m->rows[i];
	free(m->rows);
	m->rows = rows;
	m->cap = cap;
	return 0;
}

uint64_t *u64map_at(struct u64map *m, uint64_t key)
{
	struct u64map_row *row;

	if (m->used >= m->cap / 4 * 3 && grow(m) < 0)
		return NULL;
	row = slot(m->rows, m->cap, key + 1);
	if (!row->key) {
		row->key = key + 1;
		m->used++;
	}
	return &row->value;
}

uint64_t *u64map_find(const struct u64map *m, uint64_t key)
{
	struct u64map_row *row;

	if (!m->cap)
		return NULL;
	row = slot(m->rows, m->cap, key + 1);
	return row->key ? &row->value : NULL;
}
