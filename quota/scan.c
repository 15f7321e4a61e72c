/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/scan.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "fs/base/cleanup.h"
#include "fs/base/lock.h"
#include "quota/tally.h"
#include "quota/walk.h"

/*
 * Each thread of the walk has sums of its own, added up at the end; what they
 * share is the set of inodes with several names, in parts with a lock each.
 */

#define THREADS_DEFAULT 4u
#define PARTS 64u
#define CACHE_LINE 64

struct own {
	struct tally tally;
} __attribute__((aligned(CACHE_LINE)));

struct part {
	struct lock lock;
	struct u64map seen; /* 1 by inode number */
} __attribute__((aligned(CACHE_LINE)));

struct scan {
	const struct scan_config *cfg;
	struct footprint_fs fs;
	struct own own[WALK_THREADS_MAX];
	struct part parts[PARTS];
};

struct scan_result {
	struct tally tally;
};

/* Is it the first name that is seen of it? 1, 0 or -ENOMEM. */
static int is_first_name(struct scan *s, const struct stat *st)
{
	struct part *p = &s->parts[st->st_ino % PARTS];
	uint64_t *seen;
	int r = -ENOMEM;

	lock_acquire(&p->lock);
	seen = u64map_at(&p->seen, st->st_ino);
	if (seen) {
		r = !*seen;
		*seen = 1;
	}
	lock_release(&p->lock);
	return r;
}

static int count(void *ctx, unsigned thread, int dirfd, const char *name,
		 struct stat *st)
{
	struct scan *s = ctx;
	uint64_t space;
	int r;

	if (!footprint_counts(st))
		return 0;
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1) {
		r = is_first_name(s, st);
		if (r <= 0)
			return r;
	}
	if (s->cfg->ripen)
		footprint_ripen(&s->fs, st, dirfd, name);
	space = footprint_at(&s->fs, st, dirfd, name);
	if (s->cfg->owner) {
		r = s->cfg->owner(s->cfg->ctx, dirfd, name, st);
		/* it vanished since */
		if (r == -ENOENT || r == -ESTALE)
			return 0;
		if (r < 0)
			return r;
	}
	return tally_add(&s->own[thread].tally, st->st_uid, st->st_gid, space);
}

static unsigned threads_default(void)
{
	cpu_set_t set;
	unsigned n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	return n < THREADS_DEFAULT ? n : THREADS_DEFAULT;
}

static int run(struct scan *s, struct scan_result *out)
{
	struct walk_config w = {
		.roots = s->cfg->roots,
		.n_roots = s->cfg->n_roots,
		.threads = s->cfg->threads,
		.fn = count,
		.ctx = s,
	};
	int r;

	if (w.threads == 0)
		w.threads = threads_default();
	if (w.threads > WALK_THREADS_MAX)
		w.threads = WALK_THREADS_MAX;
	if (w.n_roots == 0)
		return -EINVAL;
	r = footprint_fs(w.roots[0], &s->fs);
	if (r == 0)
		r = walk_run(&w);
	for (unsigned i = 0; i < w.threads && r == 0; i++)
		r = tally_merge(&out->tally, &s->own[i].tally);
	return r;
}

int scan_run(struct scan_result **out, const struct scan_config *cfg)
{
	struct scan_result *res = calloc(1, sizeof(*res));
	struct scan *s = aligned_alloc(CACHE_LINE, sizeof(*s));
	int r = -ENOMEM;

	if (s && res) {
		*s = (struct scan){ .cfg = cfg };
		r = run(s, res);
		for (unsigned i = 0; i < WALK_THREADS_MAX; i++)
			tally_free(&s->own[i].tally);
		for (unsigned i = 0; i < PARTS; i++)
			u64map_free(&s->parts[i].seen);
	}
	free(s);
	if (r < 0) {
		scan_free(res);
		return r;
	}
	*out = res;
	return 0;
}

void scan_free(struct scan_result *r)
{
	if (!r)
		return;
	tally_free(&r->tally);
	free(r);
}

uint64_t scan_inodes(const struct scan_result *r)
{
	return r->tally.total[LIMIT_INODES];
}

void scan_each(const struct scan_result *r, scan_fn fn, void *ctx)
{
	tally_each(&r->tally, fn, ctx);
}

/* With a ledger. */

struct against {
	const struct tally *tally;
	struct ledger *ledger;
	enum ledger_kind kind;
	int err;
	unsigned n;
	void (*fn)(void *ctx, const struct scan_drift *d);
	void *ctx;
};

static bool is_zero(const uint64_t usage[LIMIT_RESOURCES])
{
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		if (usage[i])
			return false;
	return true;
}

/* All that was counted. */
static void apply_counted(void *ctx, enum ledger_kind kind, uint32_t id,
			  const uint64_t usage[LIMIT_RESOURCES])
{
	struct against *a = ctx;

	if (a->err == 0)
		a->err = ledger_set_usage(a->ledger, kind, id, usage);
}

/* Who was not seen has nothing. */
static void apply_none(void *ctx, uint32_t id, const struct limit_rec *rec)
{
	static const uint64_t none[LIMIT_RESOURCES];
	struct against *a = ctx;
	uint64_t usage[LIMIT_RESOURCES];

	(void)rec;
	tally_get(a->tally, a->kind, id, usage);
	if (is_zero(usage) && a->err == 0)
		a->err = ledger_set_usage(a->ledger, a->kind, id, none);
}

int scan_apply(const struct scan_result *r, struct ledger *l)
{
	struct against a = { .tally = &r->tally, .ledger = l };

	for (int k = LEDGER_USER; k < LEDGER_KINDS; k++) {
		a.kind = (enum ledger_kind)k;
		ledger_each(l, a.kind, apply_none, &a);
	}
	tally_each(&r->tally, apply_counted, &a);
	return a.err;
}

static void compare(struct against *a, uint32_t id, const struct limit_rec *rec,
		    const uint64_t counted[LIMIT_RESOURCES])
{
	struct scan_drift d = { .kind = a->kind, .id = id };
	bool differs = false;

	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		d.ledger[i] = rec->of[i].usage;
		d.counted[i] = counted[i];
		differs |= d.ledger[i] != d.counted[i];
	}
	if (!differs)
		return;
	a->n++;
	if (a->fn)
		a->fn(a->ctx, &d);
}

static void compare_counted(void *ctx, enum ledger_kind kind, uint32_t id,
			    const uint64_t usage[LIMIT_RESOURCES])
{
	struct against *a = ctx;
	struct limit_rec rec;

	a->kind = kind;
	ledger_get(a->ledger, kind, id, &rec);
	compare(a, id, &rec, usage);
}

/* Who was counted has been compared. */
static void compare_rest(void *ctx, uint32_t id, const struct limit_rec *rec)
{
	uint64_t counted[LIMIT_RESOURCES];
	struct against *a = ctx;

	tally_get(a->tally, a->kind, id, counted);
	if (is_zero(counted))
		compare(a, id, rec, counted);
}

int scan_add(struct scan_result *r, struct charge_owner owner, uint64_t space)
{
	return tally_add(&r->tally, owner.uid, owner.gid, space);
}

unsigned scan_compare(const struct scan_result *r, struct ledger *l,
		      void (*fn)(void *ctx, const struct scan_drift *d),
		      void *ctx)
{
	struct against a = {
		.tally = &r->tally, .ledger = l, .fn = fn, .ctx = ctx
	};

	tally_each(&r->tally, compare_counted, &a);
	for (int k = LEDGER_USER; k < LEDGER_KINDS; k++) {
		a.kind = (enum ledger_kind)k;
		ledger_each(l, a.kind, compare_rest, &a);
	}
	return a.n;
}
