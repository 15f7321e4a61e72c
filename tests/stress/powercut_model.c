/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operation does to names and inodes, and what a sync makes certain.
 *
 * Both filesystems write their journal in the order of the operations. So an
 * fsync of a file makes certain all that its process did up to the last change
 * of that inode, and one of a directory all up to the last change of a name in
 * it; `durable` is the highest of these. What is found after a cut must be one
 * of the states from there on.
 */
#include "tests/stress/powercut_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Building. */

static int add_node(struct pc_model *m, int parent, const char *name,
		    uint32_t obj)
{
	for (int n = 0; n < PC_NODES; n++) {
		struct pc_node *node = &m->nodes[n];

		if (node->used)
			continue;
		node->used = true;
		node->parent = (int16_t)parent;
		node->obj = obj;
		snprintf(node->name, sizeof(node->name), "%s", name);
		if (++m->objs[obj].links > 1)
			m->objs[obj].linked = true;
		m->n_used++;
		return n;
	}
	pc_fail("more than %d names", PC_NODES);
}

static uint32_t add_obj(struct pc_model *m, unsigned type, uint32_t mode)
{
	struct pc_obj *o = &m->objs[m->n_objs];

	if (m->n_objs == PC_OBJS)
		pc_fail("more than %d files", PC_OBJS);
	o->type = (uint8_t)type;
	o->mode = mode;
	return m->n_objs++;
}

/* The tree that the load begins with. */

static uint32_t lower_obj(struct pc_model *m, unsigned type)
{
	uint32_t id = add_obj(m, type, 0600 | pc_random(&m->rng, 0100));
	struct pc_obj *o = &m->objs[id];

	o->lower = true;
	if (type == PC_DIR)
		o->mode |= 0100;
	if (type == PC_SYMLINK)
		o->mode = 0777;
	else if (pc_random(&m->rng, 2))
		o->owner = 1000 + pc_random(&m->rng, 50);
	if (type != PC_SYMLINK && pc_random(&m->rng, 3) == 0)
		o->value = 1 + pc_random(&m->rng, 1000);
	return id;
}

static uint32_t lower_file(struct pc_model *m)
{
	static const uint32_t sizes[] = { 0,	 100,	3000,  4096,
					  20000, 65536, 70001, 300000 };
	uint32_t id = lower_obj(m, PC_FILE),
		 size = sizes[pc_random(&m->rng, 8)];
	struct pc_op *op = &m->initial[m->n_initial++];

	*op = (struct pc_op){ .kind = PC_INITIAL, .obj = id, .len = size };
	/* every other large one has a hole of 32 KiB */
	if (size > 65536 && pc_random(&m->rng, 2))
		op->hole = 8192 + 4096 * pc_random(&m->rng, 4);
	m->objs[id].size = size;
	return id;
}

static int lower_dir(struct pc_model *m, int parent, const char *name)
{
	return add_node(m, parent, name, lower_obj(m, PC_DIR));
}

static void fill_private(struct pc_model *m, int dir, int depth)
{
	char name[PC_NAME];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "p%u.f%u", m->proc, i);
		add_node(m, dir, name, lower_file(m));
	}
	if (depth > 0) {
		snprintf(name, sizeof(name), "p%u.d0", m->proc);
		fill_private(m, lower_dir(m, dir, name), depth - 1);
	}
}

static void fill_shared(struct pc_model *m, int dir)
{
	char name[PC_NAME];

	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "p%u.f%u", m->proc, i);
		add_node(m, dir, name, lower_file(m));
	}
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "p%u.d%u", m->proc, i);
		fill_private(m, lower_dir(m, dir, name), i == 0);
	}
	snprintf(name, sizeof(name), "p%u.l0", m->proc);
	add_node(m, dir, name, lower_obj(m, PC_SYMLINK));
}

/* Files with two names and with three. */
static void fill_links(struct pc_model *m)
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t obj = lower_file(m);
		char name[PC_NAME];

		for (unsigned k = 0; k < 2 + i % 2; k++) {
			snprintf(name, sizeof(name), "p%u.h%u", m->proc,
				 i * 2 + k % 2);
			add_node(m, (int)((i + k) % PC_SHARED), name, obj);
		}
	}
}

static void fill(struct pc_model *m)
{
	uint64_t shared = m->seeds.tree;
	char name[PC_NAME];

	for (unsigned i = 0; i < PC_SHARED; i++) {
		/* the same in all processes */
		m->rng = pc_next(&shared);
		snprintf(name, sizeof(name), "s%u", i);
		lower_dir(m, -1, name);
	}
	m->rng = m->seeds.tree * 64 + m->proc;
	for (int i = 0; i < PC_SHARED; i++)
		fill_shared(m, i);
	fill_links(m);
}

struct pc_model *pc_model_new(const struct pc_seeds *seeds, unsigned proc,
			      uint32_t acked)
{
	struct pc_model *m = calloc(1, sizeof(*m));

	if (!m)
		pc_fail("no memory");
	m->seeds = *seeds;
	m->proc = proc;
	m->acked = acked;
	m->plan.node = -1;
	fill(m);
	m->rng = seeds->ops * 64 + proc;
	return m;
}

unsigned pc_model_layer(const struct pc_model *m, uint32_t obj)
{
	uint64_t rng = m->seeds.tree * 1000003 + m->proc * 4096 + obj;

	return pc_random(&rng, 2);
}

/* Finding one's way. */

const char *pc_model_path(const struct pc_model *m, int node, const char *name,
			  char path[PC_PATH])
{
	char *at = &path[PC_PATH - 1];

	*at = '\0';
	for (; name[0] || node >= 0; name = "") {
		const char *part = name[0] ? name : m->nodes[node].name;
		size_t len = strlen(part);

		if (*at)
			*--at = '/';
		at -= len;
		if (at < path + PC_NAME)
			pc_fail("a path that is too long");
		memcpy(at, part, len);
		if (!name[0])
			node = m->nodes[node].parent;
	}
	return memmove(path, at, strlen(at) + 1);
}

int pc_model_child(const struct pc_model *m, int dir, const char *name)
{
	for (int n = 0; n < PC_NODES; n++) {
		if (m->nodes[n].used && m->nodes[n].parent == dir &&
		    !strcmp(m->nodes[n].name, name))
			return n;
	}
	return -1;
}

bool pc_model_is_above(const struct pc_model *m, int node, int dir)
{
	for (; dir >= 0; dir = m->nodes[dir].parent) {
		if (dir == node)
			return true;
	}
	return false;
}

/* Carrying out. */

static struct pc_obj *obj_of(struct pc_model *m, int node)
{
	return &m->objs[m->nodes[node].obj];
}

static void name_changed(struct pc_model *m, int dir)
{
	obj_of(m, dir)->changed = m->n_ops + 1;
}

static void drop_node(struct pc_model *m, int node)
{
	obj_of(m, node)->links--;
	name_changed(m, m->nodes[node].parent);
	m->nodes[node].used = false;
	m->n_used--;
}

static void set_name(struct pc_model *m, int node, int dir, const char *name)
{
	struct pc_node *n = &m->nodes[node];

	name_changed(m, n->parent);
	name_changed(m, dir);
	obj_of(m, node)->changed = m->n_ops + 1;
	n->parent = (int16_t)dir;
	snprintf(n->name, sizeof(n->name), "%s", name);
}

static void apply_make(struct pc_model *m, const struct pc_op *op)
{
	static const uint8_t types[PC_KINDS] = { [PC_CREATE] = PC_FILE,
						 [PC_TMPFILE] = PC_FILE,
						 [PC_MKDIR] = PC_DIR,
						 [PC_MKSYMLINK] = PC_SYMLINK,
						 [PC_MKFIFO] = PC_FIFO };
	uint32_t id = add_obj(m, types[op->kind], op->value);
	struct pc_obj *o = &m->objs[id];

	o->changed = m->n_ops + 1;
	o->size = op->len;
	o->unsynced = 1;
	add_node(m, op->dir, op->name, id);
	name_changed(m, op->dir);
}

static void apply_data(struct pc_model *m, const struct pc_op *op)
{
	struct pc_obj *o = &m->objs[op->obj];

	o->unsynced++;
	if (op->kind == PC_TRUNCATE || op->kind == PC_REWRITE ||
	    op->off + op->len > o->size)
		o->size = op->off + op->len;
}

static void apply_link(struct pc_model *m, const struct pc_op *op)
{
	add_node(m, op->dir, op->name, op->obj);
	name_changed(m, op->dir);
	m->objs[op->obj].changed = m->n_ops + 1;
}

static void apply_remove(struct pc_model *m, const struct pc_op *op)
{
	drop_node(m, op->node);
}

static void apply_rename(struct pc_model *m, const struct pc_op *op)
{
	if (op->over >= 0)
		drop_node(m, op->over);
	set_name(m, op->node, op->dir, op->name);
}

static void apply_exchange(struct pc_model *m, const struct pc_op *op)
{
	struct pc_node was = m->nodes[op->node], other = m->nodes[op->over];

	set_name(m, op->node, other.parent, other.name);
	set_name(m, op->over, was.parent, was.name);
}

static void apply_attr(struct pc_model *m, const struct pc_op *op)
{
	struct pc_obj *o = &m->objs[op->obj];

	if (op->kind == PC_CHMOD)
		o->mode = op->value;
	else if (op->kind == PC_CHOWN)
		o->owner = op->value;
	else
		o->value = op->value;
	o->changed = m->n_ops + 1;
}

static void apply_sync(struct pc_model *m, const struct pc_op *op)
{
	(void)m;
	(void)op;
}

static const struct {
	const char *name;
	void (*apply)(struct pc_model *m, const struct pc_op *op);
	bool copies_up;
} kinds[PC_KINDS] = {
	[PC_INITIAL] = { "initial", apply_sync, false },
	[PC_CREATE] = { "create", apply_make, false },
	[PC_WRITE] = { "write", apply_data, true },
	[PC_APPEND] = { "append", apply_data, true },
	[PC_TRUNCATE] = { "truncate", apply_data, true },
	[PC_REWRITE] = { "rewrite", apply_data, true },
	[PC_TMPFILE] = { "tmpfile", apply_make, false },
	[PC_FSYNC_FILE] = { "fsync", apply_sync, false },
	[PC_FDATASYNC_FILE] = { "fdatasync", apply_sync, false },
	[PC_FSYNC_DIR] = { "fsync-dir", apply_sync, false },
	[PC_LINK] = { "link", apply_link, true },
	[PC_UNLINK] = { "unlink", apply_remove, false },
	[PC_RENAME] = { "rename", apply_rename, true },
	[PC_EXCHANGE] = { "exchange", apply_exchange, true },
	[PC_MKDIR] = { "mkdir", apply_make, false },
	[PC_RMDIR] = { "rmdir", apply_remove, false },
	[PC_MKSYMLINK] = { "symlink", apply_make, false },
	[PC_MKFIFO] = { "mkfifo", apply_make, false },
	[PC_CHMOD] = { "chmod", apply_attr, true },
	[PC_CHOWN] = { "chown", apply_attr, true },
	[PC_SETXATTR] = { "setxattr", apply_attr, true },
};

const char *pc_model_kind(unsigned kind)
{
	return kinds[kind].name;
}

/*
 * An acknowledged sync makes certain what came before; one of the data
 * alone no name.
 */
static void certain(struct pc_model *m, struct pc_obj *o, unsigned sync)
{
	if ((sync == PC_FSYNC || sync == PC_O_SYNC) && o->changed > m->durable)
		m->durable = o->changed;
	o->synced = m->n_ops + 1;
}

void pc_model_apply(struct pc_model *m, const struct pc_op *op)
{
	struct pc_obj *o = &m->objs[op->obj];

	kinds[op->kind].apply(m, op);
	if (op->sync) {
		o->unsynced = 0;
		if (m->n_ops < m->acked)
			certain(m, o, op->sync);
	}
	if (kinds[op->kind].copies_up && m->n_ops < m->acked)
		o->copied = true;
	m->log[m->n_ops++] = *op;
}

/* Comparing. */

static uint64_t hash_text(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
	return h;
}

uint64_t pc_entry_hash(const struct pc_entry *e)
{
	uint64_t h = hash_text(e->path), r;

	h ^= (uint64_t)e->type << 60 ^ (uint64_t)e->mode << 40;
	r = pc_next(&h);
	h ^= (uint64_t)e->owner << 32 ^ e->value;
	return r ^ pc_next(&h);
}

void pc_model_entry(const struct pc_model *m, int node, struct pc_entry *e)
{
	const struct pc_obj *o = &m->objs[m->nodes[node].obj];

	pc_model_path(m, node, "", e->path);
	e->type = o->type;
	e->mode = o->mode;
	e->owner = o->owner;
	e->value = o->value;
}

uint64_t pc_model_hash(const struct pc_model *m)
{
	struct pc_entry e;
	uint64_t sum = 0;

	for (int n = PC_SHARED; n < PC_NODES; n++) {
		if (!m->nodes[n].used)
			continue;
		pc_model_entry(m, n, &e);
		sum += pc_entry_hash(&e);
	}
	return sum;
}

/* Data. */

void pc_bytes(const struct pc_model *m, uint32_t n, uint32_t off, void *buf,
	      uint32_t len)
{
	uint64_t seed = (n >> 31 ? m->seeds.tree : m->seeds.ops) * 8 + m->proc;
	unsigned char *to = buf;

	seed = seed * 0x100000000ull + n;
	seed = pc_next(&seed);
	while (len > 0) {
		uint64_t at = seed + off / 8, word = pc_next(&at);
		uint32_t skip = off % 8, part = 8 - skip;

		if (part > len)
			part = len;
		memcpy(to, (unsigned char *)&word + skip, part);
		to += part;
		off += part;
		len -= part;
	}
}
