/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process does next. By chance, but for plans of several steps: to
 * replace a file by a new one, to remove a tree and make it again, and to write
 * to a lower file of which only the metadata was copied up.
 */
#include "tests/stress/powercut_model.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 4	   /* the deepest directory */
#define FEW 50	   /* names; with fewer, none are removed */
#define MANY 170   /* with more, none are made */
#define UNSYNCED 6 /* changes of a file's data, at most */
#define LARGEST 200000

static unsigned chance(struct pc_model *m, unsigned below)
{
	return pc_random(&m->rng, below);
}

static struct pc_obj *obj_of(struct pc_model *m, int node)
{
	return &m->objs[m->nodes[node].obj];
}

/* A name whose inode is of that type, no shared directory; -1: there is none */
static int pick(struct pc_model *m, unsigned type)
{
	unsigned from = chance(m, PC_NODES);

	for (unsigned i = 0; i < PC_NODES; i++) {
		int n = (int)((from + i) % PC_NODES);

		if (n >= PC_SHARED && m->nodes[n].used &&
		    obj_of(m, n)->type == type)
			return n;
	}
	return -1;
}

static int pick_any(struct pc_model *m)
{
	static const uint8_t types[] = { PC_FILE, PC_FILE, PC_FILE,   PC_DIR,
					 PC_DIR,  PC_FIFO, PC_SYMLINK };

	return pick(m, types[chance(m, sizeof(types))]);
}

static unsigned depth(const struct pc_model *m, int node)
{
	unsigned d = 0;

	for (; node >= 0; node = m->nodes[node].parent)
		d++;
	return d;
}

static unsigned height(const struct pc_model *m, int node)
{
	unsigned most = 0;

	for (int n = 0; n < PC_NODES; n++) {
		if (m->nodes[n].used && pc_model_is_above(m, node, n) &&
		    depth(m, n) - depth(m, node) > most)
			most = depth(m, n) - depth(m, node);
	}
	return most;
}

static int any_child(const struct pc_model *m, int dir)
{
	for (int n = 0; n < PC_NODES; n++) {
		if (m->nodes[n].used && m->nodes[n].parent == dir)
			return n;
	}
	return -1;
}

static int pick_dir(struct pc_model *m)
{
	int dir = chance(m, 3) ? pick(m, PC_DIR) : -1;

	return dir >= 0 ? dir : (int)chance(m, PC_SHARED);
}

/* A place: one of few names, so that most were used before. */
static void pick_place(struct pc_model *m, struct pc_op *op)
{
	static const char letters[] = "ffffddnnnnh";

	op->dir = (int16_t)pick_dir(m);
	snprintf(op->name, sizeof(op->name), "p%u.%c%u", m->proc,
		 letters[chance(m, sizeof(letters) - 1)], chance(m, 6));
	op->over = (int16_t)pc_model_child(m, op->dir, op->name);
}

static uint32_t pick_len(struct pc_model *m)
{
	switch (chance(m, 8)) {
	case 0:
		return 0;
	case 1:
	case 2:
		return 1 + chance(m, 600);
	case 3:
	case 4:
		return 4096 * (1 + chance(m, 4));
	case 5:
		return 30000 + chance(m, 60000);
	default:
		return 1 + chance(m, 12000);
	}
}

static uint8_t pick_sync(struct pc_model *m)
{
	static const uint8_t how[] = { PC_FSYNC, PC_FSYNC, PC_FDATASYNC,
				       PC_O_SYNC, PC_O_DSYNC };
	unsigned n = chance(m, 12);

	return n < sizeof(how) ? how[n] : PC_NO_SYNC;
}

static uint32_t pick_mode(struct pc_model *m, unsigned type)
{
	return (type == PC_DIR ? 0700 : 0600) | chance(m, 0100);
}

/* Choices: false if it is not possible now. */

static bool choose_make(struct pc_model *m, struct pc_op *op)
{
	bool file = op->kind == PC_CREATE || op->kind == PC_TMPFILE;

	pick_place(m, op);
	if (op->over >= 0 || m->n_used > MANY)
		return false;
	if (op->kind == PC_MKDIR && depth(m, op->dir) >= DEPTH)
		return false;
	op->value = pick_mode(m, op->kind == PC_MKDIR ? PC_DIR : PC_FILE);
	if (op->kind == PC_MKSYMLINK)
		op->value = 0777;
	if (file) {
		op->len = pick_len(m);
		op->sync = pick_sync(m);
		/* nothing written is nothing synced */
		if (op->kind == PC_TMPFILE || op->len == 0)
			op->sync = op->sync ? PC_FSYNC : PC_NO_SYNC;
	}
	op->obj = m->n_objs;
	return true;
}

/* O_SYNC, O_DSYNC and msync care only for what is written there and then. */
static uint8_t sync_of_change(struct pc_model *m, const struct pc_op *op,
			      const struct pc_obj *o)
{
	uint8_t sync = pick_sync(m);

	if (o->unsynced >= UNSYNCED)
		return PC_FSYNC;
	if (sync < PC_O_SYNC)
		return sync;
	if (o->unsynced || op->len == 0 || op->kind == PC_TRUNCATE)
		return PC_FDATASYNC;
	if (sync == PC_O_DSYNC && op->kind == PC_WRITE &&
	    op->off + op->len <= o->size)
		return PC_MSYNC;
	return sync;
}

/* Of that node. */
static bool change_data(struct pc_model *m, struct pc_op *op)
{
	const struct pc_obj *o = obj_of(m, op->node);

	op->obj = m->nodes[op->node].obj;
	op->len = pick_len(m);
	if (op->kind == PC_APPEND)
		op->off = o->size;
	else if (op->kind == PC_WRITE && o->size)
		op->off = chance(m, o->size);
	if (op->kind == PC_APPEND && op->off + op->len > LARGEST)
		return false;
	if (op->kind == PC_TRUNCATE && chance(m, 2))
		op->len = o->size ? chance(m, o->size) : 0;
	op->sync = sync_of_change(m, op, o);
	return op->kind != PC_WRITE || op->len > 0;
}

static bool choose_data(struct pc_model *m, struct pc_op *op)
{
	op->node = (int16_t)pick(m, PC_FILE);
	return op->node >= 0 && change_data(m, op);
}

static bool choose_sync(struct pc_model *m, struct pc_op *op)
{
	bool dir = op->kind == PC_FSYNC_DIR;

	op->node = (int16_t)(dir ? pick_dir(m) : pick(m, PC_FILE));
	if (op->node < 0)
		return false;
	op->obj = m->nodes[op->node].obj;
	op->sync = op->kind == PC_FDATASYNC_FILE ? PC_FDATASYNC : PC_FSYNC;
	return true;
}

static bool choose_link(struct pc_model *m, struct pc_op *op)
{
	op->node = (int16_t)pick(m, PC_FILE);
	pick_place(m, op);
	if (op->node < 0 || op->over >= 0 || m->n_used > MANY)
		return false;
	op->obj = m->nodes[op->node].obj;
	return true;
}

static bool choose_remove(struct pc_model *m, struct pc_op *op)
{
	bool dir = op->kind == PC_RMDIR;

	op->node = (int16_t)(dir ? pick(m, PC_DIR) : pick_any(m));
	if (op->node < 0 || m->n_used < FEW)
		return false;
	if (dir != (obj_of(m, op->node)->type == PC_DIR) ||
	    (dir && any_child(m, op->node) >= 0))
		return false;
	op->obj = m->nodes[op->node].obj;
	return true;
}

static bool may_stand(struct pc_model *m, int node, int dir)
{
	return obj_of(m, node)->type != PC_DIR ||
	       (!pc_model_is_above(m, node, dir) &&
		depth(m, dir) + 1 + height(m, node) <= DEPTH + 1);
}

static bool choose_rename(struct pc_model *m, struct pc_op *op)
{
	bool dir;

	op->node = (int16_t)pick_any(m);
	pick_place(m, op);
	if (op->node < 0 || op->node == op->over ||
	    !may_stand(m, op->node, op->dir))
		return false;
	op->obj = m->nodes[op->node].obj;
	if (op->over < 0)
		return true;
	dir = obj_of(m, op->node)->type == PC_DIR;
	if (dir != (obj_of(m, op->over)->type == PC_DIR) ||
	    (dir && any_child(m, op->over) >= 0))
		return false;
	return m->nodes[op->over].obj != op->obj && m->n_used > FEW;
}

static bool choose_exchange(struct pc_model *m, struct pc_op *op)
{
	const struct pc_node *other;

	op->node = (int16_t)pick_any(m);
	op->over = (int16_t)pick_any(m);
	if (op->node < 0 || op->over < 0 || op->node == op->over ||
	    m->nodes[op->node].obj == m->nodes[op->over].obj)
		return false;
	other = &m->nodes[op->over];
	if (!may_stand(m, op->node, other->parent) ||
	    !may_stand(m, op->over, m->nodes[op->node].parent))
		return false;
	op->obj = m->nodes[op->node].obj;
	op->dir = other->parent;
	memcpy(op->name, other->name, sizeof(op->name));
	return true;
}

/* Of that node. */
static bool change_attr(struct pc_model *m, struct pc_op *op)
{
	op->obj = m->nodes[op->node].obj;
	op->sync = chance(m, 4) ? PC_NO_SYNC : PC_FSYNC;
	if (op->kind == PC_CHMOD)
		op->value = pick_mode(m, m->objs[op->obj].type);
	else
		op->value = 1000 + chance(m, 50);
	/* the same attribute once more is no change, and nothing to sync */
	return op->kind != PC_SETXATTR ||
	       op->value != obj_of(m, op->node)->value;
}

static bool choose_attr(struct pc_model *m, struct pc_op *op)
{
	op->node = (int16_t)pick(m, chance(m, 4) ? PC_FILE : PC_DIR);
	return op->node >= 0 && change_attr(m, op);
}

static const struct {
	uint8_t kind, weight;
	bool (*choose)(struct pc_model *m, struct pc_op *op);
} choices[] = {
	{ PC_CREATE, 12, choose_make },
	{ PC_TMPFILE, 4, choose_make },
	{ PC_MKDIR, 4, choose_make },
	{ PC_MKSYMLINK, 1, choose_make },
	{ PC_MKFIFO, 1, choose_make },
	{ PC_WRITE, 9, choose_data },
	{ PC_APPEND, 7, choose_data },
	{ PC_TRUNCATE, 2, choose_data },
	{ PC_REWRITE, 3, choose_data },
	{ PC_FSYNC_FILE, 5, choose_sync },
	{ PC_FDATASYNC_FILE, 2, choose_sync },
	{ PC_FSYNC_DIR, 5, choose_sync },
	{ PC_LINK, 6, choose_link },
	{ PC_UNLINK, 8, choose_remove },
	{ PC_RMDIR, 2, choose_remove },
	{ PC_RENAME, 10, choose_rename },
	{ PC_EXCHANGE, 3, choose_exchange },
	{ PC_CHMOD, 4, choose_attr },
	{ PC_CHOWN, 3, choose_attr },
	{ PC_SETXATTR, 3, choose_attr },
};

#define N_CHOICES (sizeof(choices) / sizeof(choices[0]))

static bool choose_by_chance(struct pc_model *m, struct pc_op *op)
{
	unsigned sum = 0, n, i;

	for (i = 0; i < N_CHOICES; i++)
		sum += choices[i].weight;
	n = chance(m, sum);
	for (i = 0; n >= choices[i].weight; i++)
		n -= choices[i].weight;
	op->kind = choices[i].kind;
	return choices[i].choose(m, op);
}

/* Plans. */

static void begin_plan(struct pc_model *m, unsigned kind, int node)
{
	m->plan.kind = (uint8_t)kind;
	m->plan.step = 0;
	m->plan.node = (int16_t)node;
	m->plan.parent = m->nodes[node].parent;
	memcpy(m->plan.name, m->nodes[node].name, PC_NAME);
}

/* A file is written under another name, synced, renamed; the directory too. */
static bool plan_replace(struct pc_model *m, struct pc_op *op)
{
	char name[PC_NAME];

	snprintf(name, sizeof(name), "p%u.new", m->proc);
	op->dir = m->plan.parent;
	switch (m->plan.step++) {
	case 0:
		op->kind = PC_CREATE;
		op->value = pick_mode(m, PC_FILE);
		op->len = pick_len(m);
		op->sync = PC_FSYNC;
		op->obj = m->n_objs;
		memcpy(op->name, name, PC_NAME);
		return pc_model_child(m, op->dir, name) < 0;
	case 1:
		op->kind = PC_RENAME;
		op->node = (int16_t)pc_model_child(m, op->dir, name);
		op->over = m->plan.node;
		op->obj = m->nodes[op->node].obj;
		memcpy(op->name, m->plan.name, PC_NAME);
		return true;
	default:
		op->kind = PC_FSYNC_DIR;
		op->node = m->plan.parent;
		op->obj = m->nodes[op->node].obj;
		op->sync = PC_FSYNC;
		m->plan.node = -1;
		return chance(m, 2);
	}
}

/* From the leaves up; then the same name once more. */
static bool plan_remove(struct pc_model *m, struct pc_op *op)
{
	int node = m->plan.node, child;

	if (m->plan.step) {
		op->kind = PC_MKDIR;
		op->dir = m->plan.parent;
		op->value = pick_mode(m, PC_DIR);
		op->obj = m->n_objs;
		memcpy(op->name, m->plan.name, PC_NAME);
		m->plan.node = -1;
		return chance(m, 3);
	}
	while ((child = any_child(m, node)) >= 0)
		node = child;
	op->kind = obj_of(m, node)->type == PC_DIR ? PC_RMDIR : PC_UNLINK;
	op->node = (int16_t)node;
	op->obj = m->nodes[node].obj;
	m->plan.step = node == m->plan.node;
	return true;
}

/* The metadata, then the data: most files are lower ones, at first. */
static bool plan_bring(struct pc_model *m, struct pc_op *op)
{
	op->node = m->plan.node;
	if (m->plan.step++ == 0) {
		op->kind = (uint8_t)(PC_CHMOD + chance(m, 3));
		return change_attr(m, op);
	}
	m->plan.node = -1;
	op->kind = (uint8_t)(PC_WRITE + chance(m, 4));
	return change_data(m, op);
}

static const struct {
	uint8_t percent, kind, type;
	bool (*step)(struct pc_model *m, struct pc_op *op);
} plans[] = {
	{ 5, PC_RENAME, PC_FILE, plan_replace },
	{ 2, PC_RMDIR, PC_DIR, plan_remove },
	{ 8, PC_CHMOD, PC_FILE, plan_bring },
};

#define N_PLANS (sizeof(plans) / sizeof(plans[0]))

static bool new_plan(struct pc_model *m)
{
	unsigned what = chance(m, 100), i = 0;
	int node;

	while (i < N_PLANS && what >= plans[i].percent)
		what -= plans[i++].percent;
	if (i == N_PLANS)
		return false;
	node = pick(m, plans[i].type);
	if (node < 0 || m->n_used < FEW + 20)
		return false;
	begin_plan(m, plans[i].kind, node);
	return true;
}

static bool follow_plan(struct pc_model *m, struct pc_op *op)
{
	unsigned i = 0;

	if (m->plan.node < 0 && !new_plan(m))
		return false;
	while (plans[i].kind != m->plan.kind)
		i++;
	if (plans[i].step(m, op))
		return true;
	m->plan.node = -1;
	return false;
}

void pc_model_choose(struct pc_model *m, struct pc_op *op)
{
	static const struct pc_op nothing = { .node = -1,
					      .dir = -1,
					      .over = -1 };

	*op = nothing;
	if (follow_plan(m, op))
		return;
	for (int tries = 0; tries < 1000; tries++) {
		*op = nothing;
		if (choose_by_chance(m, op))
			return;
	}
	pc_fail("process %u finds nothing to do", m->proc);
}
