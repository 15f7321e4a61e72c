/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faults - one operation after the other on a mount whose daemon's system
 * calls fail, one at a time.
 *
 *	faults list		the scenarios
 *	faults run DIR SCENARIO	one of them in the empty folder DIR: first
 *				without a fault, which says what must come out
 *				and which calls are made; then for each of these
 *				calls and each error once more
 *	faults try DIR SCENARIO CALL N ERROR [MODE]
 *				just this fault, with all that it tells
 *
 * Environment: VEFS_BIN, FAULTLIB (what is preloaded), FAULT_CONTROL, DEPTH (1; 2:
 * every error, every call, and all that follow too).
 *
 * An operation either fails with the error that was injected, and nothing is
 * to be seen of it; or it succeeds, and everything is. That holds at once, when
 * the kernel has forgotten, and after a mount anew. What failed can be done
 * again without a fault. Where a call fails from some time on, and so undoing
 * may fail as well, the daemon has to live, and the next mount to work.
 *
 * Exit: 0 all was right, 1 it was not, 2 the test itself failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stress/faults_run.h"

/* Of each function's calls, at depth 1. */
#define CALLS_MAX 12
static const enum fault_class call_classes[] = {
#define CLASS(id, name, class) FAULT_##class,
	FAULT_CALL_LIST(CLASS)
#undef CLASS
};

/* What to try. */

struct plan {
	enum fault_mode mode;
	int error;
	int depth; /* from which on */
	unsigned classes;
};

#define OF(class) (1u << FAULT_##class)
#define ALL 0x7fu

static const struct plan plans[] = {
	{ FAULT_ERROR, EIO, 1, ALL },
	{ FAULT_ERROR, ENOMEM, 1, OF(LOOKS) },
	{ FAULT_ERROR, EMFILE, 1, OF(OPENS) },
	{ FAULT_ERROR, ENOSPC, 1, OF(GROWS) | OF(WRITES) | OF(SYNCS) },
	{ FAULT_ERROR, EDQUOT, 1, OF(GROWS) | OF(WRITES) | OF(SYNCS) },
	{ FAULT_SHORT, 0, 1, OF(READS) | OF(WRITES) },
	{ FAULT_SHORT_ERR, EIO, 1, OF(READS) },
	{ FAULT_SHORT_ERR, ENOSPC, 1, OF(WRITES) },
	{ FAULT_SHORT_ERR, EIO, 2, OF(WRITES) },
	{ FAULT_ERROR, ENOMEM, 2, ALL & ~OF(LOOKS) },
	{ FAULT_ERROR, EMFILE, 2, ALL & ~OF(OPENS) },
	{ FAULT_ERROR, ENOSPC, 2, OF(CHANGES) },
	{ FAULT_ERROR, EDQUOT, 2, OF(CHANGES) },
	{ FAULT_STICKY, EIO, 2, ALL },
	{ FAULT_STICKY, ENOSPC, 2, OF(GROWS) | OF(WRITES) | OF(SYNCS) },
};

static unsigned plan_trials(const struct faults_run *r, struct faults_try *all)
{
	const size_t n_plans = sizeof(plans) / sizeof(*plans);
	unsigned k = 0;

	for (unsigned c = 0; c < FAULT_CALLS; c++) {
		unsigned calls = r->seen[c];

		if (r->depth < 2 && calls > CALLS_MAX)
			calls = CALLS_MAX;
		for (size_t p = 0; p < n_plans; p++) {
			const struct plan *pl = &plans[p];

			if (pl->depth > r->depth ||
			    !(pl->classes & (1u << call_classes[c])))
				continue;
			for (unsigned nth = 1; nth <= calls; nth++, k++) {
				struct faults_fault f = { c, nth, pl->mode,
							  pl->error };

				if (all)
					all[k].f = f;
			}
		}
	}
	return k;
}

/* Without a fault, then with those of `all`, or those that there are. */
static void run_trials(struct faults_run *r, struct faults_try *all, unsigned n)
{
	bool own = !all;

	if (r->s.op)
		faults_learn(r);
	else
		faults_learn_mount(r);
	if (own) {
		n = plan_trials(r, NULL);
		all = calloc(n + 1, sizeof(*all));
		if (!all)
			faults_die("no memory");
		plan_trials(r, all);
	}
	if (n > 0 && r->wrong == 0) {
		if (r->s.op)
			faults_try_all(r, all, n);
		else
			faults_try_mounts(r, all, n);
	}
	if (own)
		free(all);
}

static int run_scenario(struct faults_run *r)
{
	run_trials(r, NULL, 0);
	if (r->wrong == 0 && r->fired * 2 > r->tried) {
		printf("ok %s # %u injections\n", r->name, r->fired);
		return 0;
	}
	if (r->wrong == 0 && r->tried == 0 && r->m.template) {
		printf("skip %s # the index is in memory: no call to fail\n",
		       r->name);
		return 0;
	}
	printf("not ok %s - %u wrong, %u of %u injections\n", r->name, r->wrong,
	       r->fired, r->tried);
	return 1;
}

static unsigned find_name(const char *const *names, unsigned n,
			  const char *name)
{
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	faults_die("no '%s'", name);
}

static int try_fault(struct faults_run *r, char **argv, int argc)
{
	struct faults_try t = { .id = 0 };

	t.f.call = find_name(faults_call_names, FAULT_CALLS, argv[0]);
	t.f.nth = (unsigned)strtoul(argv[1], NULL, 10);
	t.f.error = 0;
	for (int e = 1; e < 134 && !t.f.error; e++) {
		const char *name = strerrorname_np(e);

		if (name && strcmp(name, argv[2]) == 0)
			t.f.error = e;
	}
	if (argc > 3)
		t.f.mode = find_name(faults_mode_names, 4, argv[3]);
	run_trials(r, &t, 1);
	for (unsigned c = 0; c < FAULT_CALLS; c++) {
		if (r->seen[c])
			printf("# %u %s\n", r->seen[c], faults_call_names[c]);
	}
	printf("%s %s # %u injections\n", r->wrong ? "not ok" : "ok", r->name,
	       r->fired);
	faults_tell_caller(&t);
	return r->wrong > 0;
}

/* Scenarios by name: NAME, NAME+pass, NAME+strict, NAME+template. */

static const struct {
	const char *suffix, *opts;
	unsigned flag;
	bool template;
} variants[] = {
	{ "", "passthrough=off", 0, false },
	{ "+pass", "", FAULTS_PASS, false },
	{ "+strict", "passthrough=off,fsync=strict", FAULTS_STRICT, false },
	{ "+template", "passthrough=off", FAULTS_BELOW, true },
};
#define VARIANTS (sizeof(variants) / sizeof(*variants))

static bool has_lower(const struct faults_scenario *s)
{
	for (const struct faults_node *n = s->tree; n->path; n++) {
		if (n->where == '2')
			return true;
	}
	return false;
}

static bool is_worth(const struct faults_scenario *s, size_t variant, int depth)
{
	unsigned flag = variants[variant].flag;

	return !flag || (s->flags & flag) ||
	       (variants[variant].template && depth > 1 && has_lower(s));
}

static void list_scenarios(int depth)
{
	for (const struct faults_scenario *s = faults_table; s->name; s++) {
		for (size_t v = 0; v < VARIANTS; v++) {
			if (is_worth(s, v, depth))
				printf("%s%s\n", s->name, variants[v].suffix);
		}
	}
}

static void find_scenario(struct faults_run *r, const char *name)
{
	size_t n = strcspn(name, "+");

	r->name = name;
	for (const struct faults_scenario *s = faults_table; s->name; s++) {
		if (strncmp(s->name, name, n) == 0 && !s->name[n])
			r->s = *s;
	}
	for (size_t v = 0; v < VARIANTS; v++) {
		if (strcmp(name + n, variants[v].suffix) == 0) {
			r->m.opts = variants[v].opts;
			r->m.template = variants[v].template;
		}
	}
	if (!r->s.name || !r->m.opts)
		faults_die("no scenario '%s'", name);
}

int main(int argc, char **argv)
{
	const char *depth = getenv("DEPTH");
	struct faults_run r = { .depth = depth ? atoi(depth) : 1 };
	int status;

	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list_scenarios(r.depth);
		return 0;
	}
	if (argc < 4 || (strcmp(argv[1], "run") != 0 && argc < 7)) {
		fprintf(stderr, "usage: faults list | run DIR SCENARIO | try "
				"DIR SCENARIO CALL N ERROR [MODE]\n");
		return 2;
	}
	umask(022);
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_scenario(&r, argv[3]);
	faults_mount_init(&r.m, argv[2]);
	if (strcmp(argv[1], "run") == 0)
		status = run_scenario(&r);
	else
		status = try_fault(&r, argv + 4, argc - 4);
	free(r.after);
	free(r.out);
	faults_state_free(&r.base);
	return status;
}
