/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/array.h"

static uint64_t key_of(enum ledger_kind kind, uint32_t id)
{
	return (uint64_t)kind << 32 | id;
}

void tally_free(struct tally *t)
{
	u64map_free(&t->index);
	free(t->rows);
	*t = (struct tally){ .rows = NULL };
}

/* The row of a key, made when missing; NULL: no memory. */
static struct tally_row *row_of(struct tally *t, uint64_t key)
{
	uint64_t *at;

	if (ARRAY_FIT(t->rows, t->cap, t->n + 1) < 0)
		return NULL;
	at = u64map_at(&t->index, key);
	if (!at)
		return NULL;
	if (!*at) {
		t->rows[t->n] = (struct tally_row){ .key = key };
		*at = ++t->n;
	}
	return &t->rows[*at - 1];
}

/* The same; inodes of one owner mostly come together. */
static struct tally_row *next_row(struct tally *t, enum ledger_kind kind,
				  uint32_t id)
{
	uint64_t key = key_of(kind, id);
	struct tally_row *row;

	if (t->last[kind] < t->n && t->rows[t->last[kind]].key == key)
		return &t->rows[t->last[kind]];
	row = row_of(t, key);
	if (row)
		t->last[kind] = (size_t)(row - t->rows);
	return row;
}

static void add(uint64_t to[LIMIT_RESOURCES],
		const uint64_t more[LIMIT_RESOURCES])
{
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		to[i] += more[i];
}

int tally_add(struct tally *t, uint32_t uid, uint32_t gid, uint64_t space)
{
	const uint64_t more[LIMIT_RESOURCES] = { space, 1 };
	const uint32_t ids[LEDGER_KINDS] = { 0, uid, gid };

	for (int k = LEDGER_USER; k < LEDGER_KINDS; k++) {
		struct tally_row *row =
			next_row(t, (enum ledger_kind)k, ids[k]);

		if (!row)
			return -ENOMEM;
		add(row->usage, more);
	}
	add(t->total, more);
	return 0;
}

int tally_change(struct tally *t, enum ledger_kind kind, uint32_t id,
		 const uint64_t more[LIMIT_RESOURCES])
{
	struct tally_row *row;

	if (kind == LEDGER_CONTAINER) {
		add(t->total, more);
		return 0;
	}
	row = next_row(t, kind, id);
	if (!row)
		return -ENOMEM;
	add(row->usage, more);
	return 0;
}

int tally_merge(struct tally *t, const struct tally *from)
{
	for (size_t i = 0; i < from->n; i++) {
		struct tally_row *row = row_of(t, from->rows[i].key);

		if (!row)
			return -ENOMEM;
		add(row->usage, from->rows[i].usage);
	}
	add(t->total, from->total);
	return 0;
}

void tally_get(const struct tally *t, enum ledger_kind kind, uint32_t id,
	       uint64_t usage[LIMIT_RESOURCES])
{
	const uint64_t *from = t->total, *at;

	if (kind != LEDGER_CONTAINER) {
		at = u64map_find(&t->index, key_of(kind, id));
		from = at ? t->rows[*at - 1].usage : NULL;
	}
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		usage[i] = from ? from[i] : 0;
}

void tally_each(const struct tally *t,
		void (*fn)(void *ctx, enum ledger_kind kind, uint32_t id,
			   const uint64_t usage[LIMIT_RESOURCES]),
		void *ctx)
{
	fn(ctx, LEDGER_CONTAINER, 0, t->total);
	for (size_t i = 0; i < t->n; i++)
		fn(ctx, (enum ledger_kind)(t->rows[i].key >> 32),
		   (uint32_t)t->rows[i].key, t->rows[i].usage);
}
