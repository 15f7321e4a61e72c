/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Versions are made by doing all changes once more in memory, from the lower's
 * data or from nothing.
 */
#include "tests/stress/powercut_data.h"

#include <stdlib.h>
#include <string.h>

void pc_versions_end(struct pc_versions *all)
{
	for (unsigned i = 0; i < all->n; i++)
		free(all->v[i].data);
}

/* A copy of the last one, grown or cut to `size`. */
static unsigned char *add_version(struct pc_versions *all, uint32_t size)
{
	unsigned char *data = calloc(1, size + 1);
	uint32_t keep = 0;

	if (!data || all->n == PC_VERSIONS)
		pc_fail("too many versions");
	if (all->n) {
		keep = all->v[all->n - 1].size;
		memcpy(data, all->v[all->n - 1].data,
		       keep < size ? keep : size);
	}
	all->v[all->n].data = data;
	all->v[all->n++].size = size;
	return data;
}

static void forget_all_but_last(struct pc_versions *all)
{
	for (unsigned i = 0; i + 1 < all->n; i++)
		free(all->v[i].data);
	all->v[0] = all->v[all->n - 1];
	all->n = 1;
}

static bool is_data(const struct pc_op *op)
{
	return op->kind <= PC_TMPFILE;
}

static void add_change(struct pc_versions *all, const struct pc_model *m,
		       const struct pc_op *op, uint32_t number)
{
	uint32_t size = op->off + op->len;
	unsigned char *data;

	if (op->kind == PC_REWRITE)
		add_version(all, 0);
	if ((op->kind == PC_WRITE || op->kind == PC_APPEND) && all->n &&
	    all->v[all->n - 1].size > size)
		size = all->v[all->n - 1].size;
	data = add_version(all, size);
	if (op->kind != PC_TRUNCATE)
		pc_bytes(m, number, op->off, data + op->off, op->len);
	if (op->hole)
		memset(data + op->hole, 0, 32768);
}

void pc_versions_of(const struct pc_model *end, uint32_t obj,
		    struct pc_versions *all)
{
	uint32_t synced = end->objs[obj].synced;

	all->n = 0;
	add_version(all, 0);
	for (uint32_t i = 0; i < end->n_initial; i++) {
		if (end->initial[i].obj == obj)
			add_change(all, end, &end->initial[i], ~obj);
	}
	forget_all_but_last(all);
	for (uint32_t i = 0; i < end->n_ops; i++) {
		if (end->log[i].obj != obj || !is_data(&end->log[i]))
			continue;
		add_change(all, end, &end->log[i], i);
		if (i < synced)
			forget_all_but_last(all);
	}
}

bool pc_versions_may_be(const struct pc_versions *all, uint64_t at,
			unsigned char byte)
{
	for (unsigned i = 0; i < all->n; i++) {
		if (byte == (at < all->v[i].size ? all->v[i].data[at] : 0))
			return true;
	}
	return false;
}
