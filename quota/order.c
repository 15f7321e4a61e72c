/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"

void order_free(struct order *o)
{
	free(o->recs);
	*o = (struct order){ .recs = NULL };
}

/* Among the first `n` of them. */
static size_t place(const uint32_t *numbers, size_t n,
		    const struct ledgerpriv_rec *recs, uint64_t key)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (recs[numbers[middle]].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t order_from(const struct order *o, const struct ledgerpriv_rec *recs,
		  uint64_t key)
{
	return place(o->recs, o->n, recs, key);
}

static int by_key(const void *a, const void *b, void *ctx)
{
	const struct ledgerpriv_rec *recs = ctx;
	uint64_t x = recs[*(const uint32_t *)a].key;
	uint64_t y = recs[*(const uint32_t *)b].key;

	return (x > y) - (x < y);
}

/* `more` are sorted too; there is room behind for all of them. */
static void merge(struct order *o, const struct ledgerpriv_rec *recs,
		  const uint32_t *more, size_t n)
{
	size_t end = o->n;

	o->n += n;
	/* From the last on: what is above one of them moves up at once. */
	while (n-- > 0) {
		size_t at = place(o->recs, end, recs, recs[more[n]].key);

		memmove(&o->recs[at + n + 1], &o->recs[at],
			(end - at) * sizeof(*o->recs));
		o->recs[at + n] = more[n];
		end = at;
	}
}

int order_extend(struct order *o, const struct ledgerpriv_rec *recs, size_t n)
{
	_cleanup_free_ uint32_t *more = NULL;
	size_t added = n > o->n ? n - o->n : 0;
	uint32_t *all;

	if (!added)
		return 0;
	all = realloc(o->recs, n * sizeof(*all));
	if (!all)
		return -ENOMEM;
	o->recs = all;
	more = calloc(added, sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (size_t i = 0; i < added; i++)
		more[i] = (uint32_t)(o->n + i);
	qsort_r(more, added, sizeof(*more), by_key, (void *)(uintptr_t)recs);
	merge(o, recs, more, added);
	return 0;
}
