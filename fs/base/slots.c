/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/slots.h"

#include <stdlib.h>

/* Some empty pages stay, for tables that breathe. */
#define SPARE 8u

struct slots {
	uint32_t pages;
	uint32_t hint; /* no page below has a free row */
	uint32_t kept; /* empty pages whose memory stays, about */
	uint64_t used[];
};

struct slots *slots_new(uint32_t limit, uint32_t taken)
{
	uint32_t pages = limit / SLOTS_PER_PAGE;
	/* Untouched until used: a table of millions costs nothing empty. */
	struct slots *s = calloc(1, sizeof(*s) + pages * sizeof(uint64_t));

	if (!s)
		return NULL;
	s->pages = pages;
	for (uint32_t i = 0; i < taken; i++)
		slots_mark(s, i);
	return s;
}

void slots_free(struct slots *s)
{
	free(s);
}

void slots_mark(struct slots *s, uint32_t row)
{
	s->used[row / SLOTS_PER_PAGE] |= 1ull << (row % SLOTS_PER_PAGE);
}

uint32_t slots_take(struct slots *s)
{
	uint32_t page = s->hint, row;

	while (page < s->pages && s->used[page] == ~0ull)
		page++;
	s->hint = page;
	if (page == s->pages)
		return SLOTS_NONE;
	if (s->used[page] == 0 && s->kept > 0)
		s->kept--;
	row = page * SLOTS_PER_PAGE + (uint32_t)__builtin_ctzll(~s->used[page]);
	slots_mark(s, row);
	return row;
}

uint32_t slots_put(struct slots *s, uint32_t row)
{
	uint32_t page = row / SLOTS_PER_PAGE;

	s->used[page] &= ~(1ull << (row % SLOTS_PER_PAGE));
	if (page < s->hint)
		s->hint = page;
	if (s->used[page] != 0)
		return SLOTS_NONE;
	if (s->kept < SPARE) {
		s->kept++;
		return SLOTS_NONE;
	}
	return page;
}
