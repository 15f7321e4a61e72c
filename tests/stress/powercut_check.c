/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is it a state that may be there?
 *
 * Names, types, owners, modes, attributes: exactly as in one state k of each
 * process, not before the last that a sync made certain, not after the last
 * operation begun. Data: a file's data as the last sync left it, and each byte
 * that was changed afterwards as any of the changes left it; what a change made
 * longer may be zeros. What was not changed since the last sync, or never, is
 * exact. So a lower file that was being copied up has its old data or its new,
 * whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tests/stress/powercut_data.h"
#include "tests/stress/powercut_found.h"

#define TOLD 12 /* lines about one process */

struct check {
	int root;
	const char *strict_upper; /* NULL: not strict */
	const struct pc_found *found;
	const struct pc_model *end; /* after all that was begun */
	const struct pc_model *at;  /* after k operations */
	bool quiet;
	unsigned bad;
};

#define BAD(c, ...)                                                            \
	do {                                                                   \
		if (!(c)->quiet && (c)->bad < TOLD)                            \
			printf(__VA_ARGS__);                                   \
		(c)->bad++;                                                    \
	} while (0)

/* Data. */

static void check_data(struct check *c, const struct pc_found_entry *f,
		       uint32_t obj)
{
	__attribute__((cleanup(pc_versions_end))) struct pc_versions all;
	_cleanup_free_ unsigned char *data = NULL;
	uint32_t least = UINT32_MAX, most = 0;

	pc_versions_of(c->end, obj, &all);
	for (unsigned i = 0; i < all.n; i++) {
		least = all.v[i].size < least ? all.v[i].size : least;
		most = all.v[i].size > most ? all.v[i].size : most;
	}
	if (f->size < least || f->size > most) {
		BAD(c, "  %s: %llu bytes, not %u to %u\n", f->e.path,
		    (unsigned long long)f->size, least, most);
		return;
	}
	data = pc_found_read(c->root, f->e.path, f->size);
	if (!data) {
		c->bad++;
		return;
	}
	for (uint64_t i = 0; i < f->size; i++) {
		if (pc_versions_may_be(&all, i, data[i]))
			continue;
		BAD(c,
		    "  %s: byte %llu of %llu is %02x; %u versions, the "
		    "certain one has %02x and %u bytes%s\n",
		    f->e.path, (unsigned long long)i,
		    (unsigned long long)f->size, data[i], all.n,
		    i < all.v[0].size ? all.v[0].data[i] : 0, all.v[0].size,
		    c->end->objs[obj].lower ? "; a lower file" : "");
		return;
	}
}

/* Names. */

/* Names of one file have its number; others have others. */
static void check_number(struct check *c, const struct pc_found_entry *f,
			 int node)
{
	const struct pc_model *m = c->at;
	uint32_t obj = m->nodes[node].obj;
	char path[PC_PATH];

	for (int n = PC_SHARED; n < node; n++) {
		const struct pc_found_entry *other;

		if (!m->nodes[n].used)
			continue;
		other = pc_found_get(c->found, pc_model_path(m, n, "", path));
		if (other && (other->ino == f->ino) != (m->nodes[n].obj == obj))
			BAD(c, "  %s: inode %llx, %s: inode %llx\n", f->e.path,
			    (unsigned long long)f->ino, path,
			    (unsigned long long)other->ino);
	}
	if (m->objs[obj].type != PC_DIR && f->links != m->objs[obj].links)
		BAD(c, "  %s: %u links, not %u\n", f->e.path, f->links,
		    m->objs[obj].links);
}

/*
 * fsync=strict: a copy-up is on disk when what caused it is acknowledged. Not
 * of files with several names: these may be in work/index alone.
 */
static void check_strict(struct check *c, const struct pc_found_entry *f,
			 uint32_t obj)
{
	char path[PC_PATH * 4];
	struct stat st;

	if (!c->strict_upper || !c->end->objs[obj].copied ||
	    c->end->objs[obj].linked)
		return;
	snprintf(path, sizeof(path), "%s/%s", c->strict_upper, f->e.path);
	if (lstat(path, &st) < 0)
		BAD(c, "  %s: copied up and acknowledged, but upper: %s\n",
		    f->e.path, strerror(errno));
}

/* All of state k but what its hash says. */
static unsigned check_state(struct check *c)
{
	const struct pc_model *m = c->at;
	char path[PC_PATH];

	c->bad = 0;
	for (int n = PC_SHARED; n < PC_NODES; n++) {
		const struct pc_found_entry *f;

		if (!m->nodes[n].used)
			continue;
		f = pc_found_get(c->found, pc_model_path(m, n, "", path));
		if (!f) {
			BAD(c, "  %s is not there\n", path);
			continue;
		}
		check_number(c, f, n);
		check_strict(c, f, m->nodes[n].obj);
		if (f->e.type == PC_FILE)
			check_data(c, f, m->nodes[n].obj);
	}
	return c->bad;
}

/* Searching for k. */

static void forward(struct pc_model *m)
{
	struct pc_op op;

	pc_model_choose(m, &op);
	pc_model_apply(m, &op);
}

static uint64_t hash_of_found(const struct pc_found *found, unsigned proc)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < found->n; i++) {
		if (found->entries[i].proc == proc)
			sum += pc_entry_hash(&found->entries[i].e);
	}
	return sum;
}

static void tell_entry(const char *what, const struct pc_entry *e)
{
	printf("  %s %s: type %u mode %o owner %u attribute %u\n", what,
	       e->path, e->type, e->mode, e->owner, e->value);
}

/* In how many names state k and what is found differ. */
static unsigned differences(const struct check *c, bool tell)
{
	const struct pc_model *m = c->at;
	unsigned n = 0, common = 0;
	struct pc_entry e;

	for (int i = PC_SHARED; i < PC_NODES; i++) {
		const struct pc_found_entry *f;

		if (!m->nodes[i].used)
			continue;
		pc_model_entry(m, i, &e);
		f = pc_found_get(c->found, e.path);
		if (f && pc_entry_hash(&f->e) == pc_entry_hash(&e)) {
			common++;
			continue;
		}
		n++;
		if (tell)
			tell_entry("should be", &e);
	}
	for (size_t i = 0; i < c->found->n; i++) {
		const struct pc_found_entry *f = &c->found->entries[i];
		int k = PC_SHARED;

		if (f->proc != m->proc)
			continue;
		if (!tell) {
			n++;
			continue;
		}
		for (; k < PC_NODES; k++) {
			if (!m->nodes[k].used)
				continue;
			pc_model_entry(m, k, &e);
			if (pc_entry_hash(&e) == pc_entry_hash(&f->e))
				break;
		}
		if (k == PC_NODES)
			tell_entry("but it is", &f->e);
	}
	return tell ? n : n - common;
}

static void tell_ops(const struct pc_seeds *seeds, unsigned proc, uint32_t from,
		     uint32_t to)
{
	struct pc_model *m = pc_model_new(seeds, proc, 0);
	struct pc_op op;

	while (m->n_ops < to) {
		char path[PC_PATH] = "", name[PC_PATH] = "";

		pc_model_choose(m, &op);
		if (op.node >= 0)
			pc_model_path(m, op.node, "", path);
		if (op.dir >= 0)
			pc_model_path(m, op.dir, op.name, name);
		if (m->n_ops >= from)
			printf("  %u: %s %s %s obj %u off %u len %u sync %u\n",
			       m->n_ops, pc_model_kind(op.kind), path, name,
			       op.obj, op.off, op.len, op.sync);
		pc_model_apply(m, &op);
	}
	free(m);
}

static void tell_nearest(struct check *c)
{
	const struct pc_model *end = c->end;
	unsigned best = UINT32_MAX;
	uint32_t best_k = 0;

	for (int pass = 0; pass < 2; pass++) {
		struct pc_model *m = pc_model_new(&end->seeds, end->proc, 0);

		c->at = m;
		for (;; forward(m)) {
			unsigned d = pass ? 0 : differences(c, false);

			if (!pass && d < best) {
				best = d;
				best_k = m->n_ops;
			}
			if (m->n_ops == (pass ? best_k : end->n_ops))
				break;
		}
		if (pass) {
			printf("  the nearest state is %u:\n", best_k);
			differences(c, true);
		}
		free(m);
	}
	tell_ops(&end->seeds, end->proc, best_k > 8 ? best_k - 8 : 0,
		 best_k + 8 < end->n_ops ? best_k + 8 : end->n_ops);
}

/* Is this another state than the one before, or the first to look at? */
static bool changed_names(const struct pc_model *m, const struct pc_model *end)
{
	unsigned kind;

	if (m->n_ops == end->durable)
		return true;
	kind = m->log[m->n_ops - 1].kind;
	return kind == PC_CREATE || kind >= PC_TMPFILE;
}

/* The state that is there, or -1. */
static long find_state(struct check *c)
{
	const struct pc_model *end = c->end;
	uint64_t want = hash_of_found(c->found, end->proc);
	struct pc_model *m = pc_model_new(&end->seeds, end->proc, 0);
	long last = -1;

	c->at = m;
	for (;;) {
		if (m->n_ops >= end->durable && changed_names(m, end) &&
		    pc_model_hash(m) == want) {
			c->quiet = true;
			last = m->n_ops;
			if (check_state(c) == 0) {
				free(m);
				return last;
			}
		}
		if (m->n_ops == end->n_ops)
			break;
		forward(m);
	}
	free(m);
	printf("process %u: %u operations begun, %u acknowledged, the first %u "
	       "certain: %s\n",
	       end->proc, end->n_ops, end->acked, end->durable,
	       last < 0 ? "no state fits" : "the names fit, but:");
	if (last < 0) {
		tell_nearest(c);
		return -1;
	}
	c->at = m = pc_model_new(&end->seeds, end->proc, 0);
	while (m->n_ops < last)
		forward(m);
	c->quiet = false;
	check_state(c);
	tell_ops(&end->seeds, end->proc, last > 8 ? (uint32_t)last - 8 : 0,
		 end->n_ops);
	free(m);
	return -1;
}

static unsigned check_shared(struct check *c)
{
	struct pc_entry e;
	unsigned bad = 0;

	for (int n = 0; n < PC_SHARED; n++) {
		const struct pc_found_entry *f;

		pc_model_entry(c->end, n, &e);
		f = pc_found_get(c->found, e.path);
		if (f && pc_entry_hash(&f->e) == pc_entry_hash(&e))
			continue;
		bad++;
		tell_entry("should be", &e);
		if (f)
			tell_entry("but it is", &f->e);
	}
	return bad;
}

int pc_check(const char *dir, const struct pc_journal *j,
	     const struct pc_seeds *seeds, const char *strict_upper)
{
	_cleanup_close_ int root =
		open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pc_found found;
	struct check c = { .root = root,
			   .strict_upper = strict_upper,
			   .found = &found };
	unsigned bad = 0, lost = 0;

	if (root < 0)
		pc_fail("%s: %s", dir, strerror(errno));
	pc_found_walk(root, &found);
	for (unsigned p = 0; p < PC_PROCS; p++) {
		struct pc_model *m = pc_model_new(seeds, p, j->done[p]);
		long k;

		while (m->n_ops < j->begun[p])
			forward(m);
		c.end = m;
		if (p == 0)
			bad += check_shared(&c);
		k = find_state(&c);
		bad += k < 0;
		if (k >= 0)
			lost += m->n_ops - (uint32_t)k;
		free(m);
	}
	if (!bad)
		printf("found %zu names, without the last %u operations\n",
		       found.n, lost);
	pc_found_free(&found);
	return bad > 0;
}
