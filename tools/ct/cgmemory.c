/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * v1 limits memory, and memory with swap ("memsw"), which may never be the
 * lower of the two: who raises begins with memsw, who lowers with memory. So
 * swap alone cannot be limited there.
 *
 * v2 limits them apart. Lowering memory.max kills processes when they use
 * more; memory.high does not, it frees what can be freed: that goes first, and
 * what is still too much then is an error, as on v1.
 */
#include "tools/ct/cgmemory.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define LIMIT "payload/memory.limit_in_bytes"
#define MEMSW "payload/memory.memsw.limit_in_bytes"

static int too_small(struct cgchange *c, uint64_t value, uint64_t used)
{
	return why_set(c->why, -EBUSY,
		       "it uses %" PRIu64 " bytes of memory that cannot be "
		       "freed: a limit of %" PRIu64 " is too small, stop "
		       "something in it first",
		       used, value);
}

/* Pages are what the kernel counts: what it makes of the value. */
static uint64_t in_pages(uint64_t value)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return value == SPEC_UNLIMITED ? value : value / page * page;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a == SPEC_UNLIMITED || b == SPEC_UNLIMITED || a + b < a
		       ? SPEC_UNLIMITED
		       : a + b;
}

/* ---- v1 ------------------------------------------------------------------ */

static int write_v1(struct cgchange *c, int i, const char *path, uint64_t value)
{
	uint64_t used = 0;
	char text[32] = "-1";
	int r;

	if (value != SPEC_UNLIMITED)
		snprintf(text, sizeof(text), "%" PRIu64, value);
	r = knob_change(&c->journal, c->g->dir[i], path, text);
	if (r == -EBUSY) {
		(void)knob_number(c->g->dir[i], "payload/memory.usage_in_bytes",
				  &used);
		return too_small(c, value, used);
	}
	return r < 0 && r != -ENOENT
		       ? why_sys(c->why, r, "%s of %s", path, c->g->name)
		       : r;
}

static int set_v1(struct cgchange *c, int i)
{
	bool gives_swap = spec_gives(c->l, SPEC_SWAP);
	uint64_t limit, memsw, old_limit, old_memsw, swap = SPEC_UNLIMITED;
	int r = knob_number(c->g->dir[i], LIMIT, &old_limit);

	if (r < 0)
		return r;
	limit = spec_gives(c->l, SPEC_RAM) ? c->l->number[SPEC_RAM] : old_limit;
	limit = in_pages(limit);
	r = knob_number(c->g->dir[i], MEMSW, &old_memsw);
	if (r == -ENOENT) {
		/* not counted: swapaccount=0 */
		if (gives_swap)
			r = cgchange_lack(c, SPEC_SWAP);
		else
			r = 0;
		return r < 0 ? r : write_v1(c, i, LIMIT, limit);
	}
	if (r < 0)
		return r;
	if (gives_swap)
		swap = in_pages(c->l->number[SPEC_SWAP]);
	else if (old_memsw != SPEC_UNLIMITED && old_limit != SPEC_UNLIMITED)
		swap = old_memsw - old_limit;
	if (swap != SPEC_UNLIMITED && limit == SPEC_UNLIMITED && gives_swap) {
		r = cgchange_lack(c, SPEC_SWAP);
		if (r < 0)
			return r;
	}
	memsw = plus(limit, swap);
	if (memsw >= old_memsw) {
		r = write_v1(c, i, MEMSW, memsw);
		return r < 0 ? r : write_v1(c, i, LIMIT, limit);
	}
	r = write_v1(c, i, LIMIT, limit);
	return r < 0 ? r : write_v1(c, i, MEMSW, memsw);
}

/* ---- v2 ------------------------------------------------------------------ */

static int shrink_v2(struct cgchange *c, int i, uint64_t value)
{
	uint64_t used = 0;
	int r = knob_number(c->g->dir[i], "payload/memory.current", &used);

	if (r < 0 || used <= value)
		return r;
	r = cgchange_number(c, i, "payload/memory.high", value, "max");
	if (r == 0)
		r = knob_number(c->g->dir[i], "payload/memory.current", &used);
	return r == 0 && used > value ? too_small(c, value, used) : r;
}

static int set_ram_v2(struct cgchange *c, int i)
{
	uint64_t value = in_pages(c->l->number[SPEC_RAM]);
	char high[32];
	int r = knob_read(c->g->dir[i], "payload/memory.high", high,
			  sizeof(high));

	if (r >= 0)
		r = shrink_v2(c, i, value);
	if (r == 0)
		r = cgchange_number(c, i, "payload/memory.max", value, "max");
	if (r == 0)
		r = cgchange_write(c, i, "payload/memory.high", high);
	return r;
}

static int set_v2(struct cgchange *c, int i)
{
	int r = 0;

	if (spec_gives(c->l, SPEC_SWAP)) {
		r = cgchange_number(c, i, "payload/memory.swap.max",
				    in_pages(c->l->number[SPEC_SWAP]), "max");
		if (r == -ENOENT)
			r = cgchange_lack(c, SPEC_SWAP);
	}
	if (r == 0 && spec_gives(c->l, SPEC_RAM))
		r = set_ram_v2(c, i);
	return r;
}

int cgmemory_set(struct cgchange *c)
{
	int version = 0;
	int i = cgchange_hier(c, HIER_MEMORY, &version);
	int r = -ENOENT;

	if (!spec_gives(c->l, SPEC_RAM) && !spec_gives(c->l, SPEC_SWAP))
		return 0;
	if (i >= 0)
		r = version == 1 ? set_v1(c, i) : set_v2(c, i);
	if (r != -ENOENT)
		return r;
	r = 0;
	if (spec_gives(c->l, SPEC_RAM))
		r = cgchange_lack(c, SPEC_RAM);
	if (r == 0 && spec_gives(c->l, SPEC_SWAP))
		r = cgchange_lack(c, SPEC_SWAP);
	return r;
}
