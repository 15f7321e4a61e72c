/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounting under faults: it fails, says why, and leaves nothing behind; or it
 * succeeds, and all is there as it should be. Either way the next mount, without
 * a fault, finds everything in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stress/faults_run.h"

static const struct faults_fault none = { .call = FAULT_CALLS };

/* What a daemon that was killed may have left in work. */
static void leave_things(const struct faults_run *r)
{
	static const struct {
		const char *name;
		mode_t type;
	} things[] = { { "t7", S_IFDIR },
		       { "t7/d", S_IFDIR },
		       { "t7/d/f", S_IFREG },
		       { "t8", S_IFREG } };
	int work = faults_mount_open(&r->m, "work/work");

	for (unsigned i = 0; i < sizeof(things) / sizeof(*things); i++) {
		const char *name = things[i].name;
		int e = things[i].type == S_IFDIR
				? mkdirat(work, name, 0700)
				: mknodat(work, name, S_IFREG | 0600, 0);

		/* a mount that was refused has not swept them */
		if (e < 0 && errno != EEXIST)
			faults_die("%s: %s: %s", r->name, name,
				   strerror(errno));
	}
	close(work);
}

/* Mount with the fault: what does it say? NULL: it is mounted. */
static char *begin(struct faults_run *r, struct faults_try *t)
{
	char *why;

	leave_things(r);
	faults_note(r, &t->f);
	faults_arm(r, &t->f);
	why = faults_mount_begin(&r->m);
	faults_disarm(r, t);
	return why;
}

static void check(struct faults_run *r, struct faults_try *t, const char *when)
{
	r->mnt = faults_mount_open(&r->m, "mnt");
	t->wrong |= faults_wrong(r, t, when, faults_compare(r, t, r->after));
	faults_unmount_it(r);
	if (faults_mount_leftover(&r->m, false))
		t->wrong |= faults_wrong(r, t, when,
					 faults_text("something is in work"));
}

void faults_learn_mount(struct faults_run *r)
{
	struct faults_try t = { .f = none };

	faults_mount_fresh(&r->m);
	faults_make_lowers(r, 1);
	faults_mount_it(r);
	faults_prepare(r, &t);
	r->after = strdup(t.base.text);
	r->base = t.base;
	faults_unmount_it(r);
	if (faults_wrong(r, &t, "mount", begin(r, &t)))
		return;
	for (unsigned i = 0; i < FAULT_CALLS; i++)
		r->seen[i] = atomic_load(&r->m.control->seen[i]);
	check(r, &t, "mounted");
}

static void try_mount(struct faults_run *r, struct faults_try *t)
{
	char *why = begin(r, t);

	t->base = r->base;
	r->tried++;
	r->fired += atomic_load(&r->m.control->fired) > 0;
	if (!why) {
		check(r, t, "mounted");
	} else {
		free(why);
		t->wrong |= faults_wrong(r, t, "refused",
					 faults_mount_refused(&r->m));
	}
	if (t->wrong)
		return;
	if (!faults_wrong(r, t, "next", faults_mount_begin(&r->m)))
		check(r, t, "next");
}

void faults_try_mounts(struct faults_run *r, struct faults_try *all, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		try_mount(r, &all[i]);
}
