/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stress/faults_run.h"

/* One operation. */

int faults_open_trial(const struct faults_run *r, unsigned id)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "c%u", id);
	fd = openat(r->mnt, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		faults_die("%s: %s: %s", r->name, name, strerror(errno));
	return fd;
}

/* The mount's root must not be in use either. */
static void shrink(struct faults_run *r)
{
	close(r->mnt);
	faults_mount_shrink(&r->m);
	r->mnt = faults_mount_open(&r->m, "mnt");
}

static char *differ_masked(const char *was, const char *is,
			   char *(*mask)(const char *text))
{
	char *a = mask(was), *b = mask(is);
	char *why = faults_state_differ(a, b);

	free(a);
	free(b);
	return why;
}

char *faults_compare(const struct faults_run *r, const struct faults_try *t,
		     const char *expect)
{
	bool before = strcmp(expect, t->base.text) == 0;
	struct faults_state now;
	int dir = faults_open_trial(r, t->id);
	char *why;

	faults_state_take(&now, dir, &t->base);
	close(dir);
	why = faults_state_differ(expect, now.text);
	/*
	 * A copy-up has put something into the directory and must give it its
	 * times back; where just that fails there is no way out. Nor are those
	 * worth it where what was made is taken away again.
	 */
	if (why && (t->f.call == FAULT_UTIMES ||
		    (before && (r->s.flags & FAULTS_UNDOES)))) {
		free(why);
		why = differ_masked(expect, now.text, faults_state_undated);
	}
	/* As on any filesystem: that goes before the write that fails. */
	if (why && before && (r->s.flags & FAULTS_STRIPS)) {
		free(why);
		why = differ_masked(expect, now.text, faults_state_stripped);
	}
	faults_state_free(&now);
	return why;
}

/* What was written is there, the rest as it was. */
static char *check_partial(const struct faults_run *r,
			   const struct faults_trial *ft)
{
	const struct faults_scenario *s = &r->s;
	const char *path = s->op == faults_op_copy_range ? s->b : s->a;
	const struct faults_node *was = faults_tree_file(s->tree, path);
	long end = s->off + ft->done, size = end > was->n ? end : was->n;
	int fd = openat(ft->dir, path, O_RDONLY | O_CLOEXEC);
	unsigned char *buf = malloc((size_t)size + 1);
	char *why = NULL;
	ssize_t n = -1;

	if (fd >= 0 && buf)
		n = pread(fd, buf, (size_t)size + 1, 0);
	if (n != size)
		why = faults_text("%ld bytes written: %zd bytes, not %ld",
				  ft->done, n, size);
	for (long i = 0; i < n && !why; i++) {
		bool fresh = i >= s->off && i < end;

		if (buf[i] != (fresh ? faults_new_byte(ft, i)
				     : faults_byte(was->path, i)))
			why = faults_text("%ld bytes written: byte %ld is bad",
					  ft->done, i);
	}
	free(buf);
	if (fd >= 0)
		close(fd);
	return why;
}

/* Is this an answer that may be given? */
static char *check_answer(const struct faults_run *r,
			  const struct faults_fault *f, long got,
			  const char *out)
{
	bool fired = atomic_load(&r->m.control->fired) > 0;

	if (got < 0 && got == r->result)
		return NULL;
	if (got < 0 && f->mode == FAULT_STICKY && got == -EIO)
		return NULL;
	if (got < 0 && (!fired || f->call == FAULT_CALLS ||
			f->mode == FAULT_SHORT || got != -f->error))
		return faults_text("failed with %s",
				   strerrorname_np((int)-got));
	if (got < 0)
		return NULL;
	if (r->result < 0 || got != r->result)
		return faults_text("the result is %ld", got);
	/* With fsync=strict directories are synced when all is done already. */
	if (fired && f->call == FAULT_SYNC && !strstr(r->m.opts, "strict"))
		return faults_text("it succeeded, but was not synced");
	if (out && r->out && strcmp(out, r->out) != 0)
		return faults_text("what it read should be <%s>, is <%s>",
				   r->out, out);
	return NULL;
}

static void begin_op(struct faults_run *r, struct faults_trial *ft,
		     struct faults_try *t)
{
	*ft = (struct faults_trial){ .s = &r->s, .base = &t->base, .fd = -1 };
	ft->dir = faults_open_trial(r, t->id);
	if (r->s.open)
		r->s.open(ft);
}

static void end_op(struct faults_trial *ft)
{
	if (ft->fd >= 0)
		close(ft->fd);
	close(ft->dir);
	free(ft->out);
}

/* The first whiteout is made, then all are links of it: always the first. */
static void remove_whiteout(const struct faults_run *r)
{
	int work = faults_mount_open(&r->m, "work/work");

	unlinkat(work, "whiteout", 0);
	close(work);
}

/* The operation under the fault; its result. */
static long injected(struct faults_run *r, struct faults_try *t)
{
	bool first = t->f.call == FAULT_CALLS;
	struct faults_trial ft;
	long got;

	begin_op(r, &ft, t);
	remove_whiteout(r);
	faults_arm(r, &t->f);
	got = r->s.op(&ft);
	faults_disarm(r, t);
	if (first) {
		r->result = got;
		r->out = ft.out ? strdup(ft.out) : NULL;
		for (unsigned i = 0; i < FAULT_CALLS; i++)
			r->seen[i] = atomic_load(&r->m.control->seen[i]);
	}
	/* A short write is told; whoever writes goes on where it ended. */
	if ((r->s.flags & FAULTS_PARTIAL) && ft.done > 0 && ft.done < r->s.n) {
		t->wrong |= faults_wrong(r, t, "short", check_partial(r, &ft));
		for (int i = 0; i < 8 && got >= 0 && ft.done < r->s.n; i++)
			got = r->s.op(&ft);
	}
	t->wrong |= faults_wrong(r, t, "answer",
				 check_answer(r, &t->f, got, ft.out));
	end_op(&ft);
	return got;
}

/* Once more without a fault: now it must do. */
static void again(struct faults_run *r, struct faults_try *t, const char *when)
{
	const struct faults_fault none = { .call = FAULT_CALLS };
	struct faults_trial ft;
	long got;

	begin_op(r, &ft, t);
	faults_arm(r, &none);
	do
		got = r->s.op(&ft);
	while ((r->s.flags & FAULTS_PARTIAL) && got > 0 && got < r->s.n);
	atomic_store(&r->m.control->armed, 0);
	t->wrong |=
		faults_wrong(r, t, when, check_answer(r, &none, got, ft.out));
	end_op(&ft);
	free(t->expect);
	t->expect = strdup(r->after);
	t->undone = false;
	if (!t->wrong)
		t->wrong = faults_wrong(r, t, when,
					faults_compare(r, t, t->expect));
}

void faults_prepare(struct faults_run *r, struct faults_try *t)
{
	int dir = faults_open_trial(r, t->id);

	faults_tree_make(r->s.tree, 'u', dir);
	close(dir);
	shrink(r);
	dir = faults_open_trial(r, t->id);
	faults_state_take(&t->base, dir, NULL);
	close(dir);
	if (r->s.flags & FAULTS_COLD)
		shrink(r);
}

static char *left_over(const struct faults_run *r, unsigned before,
		       bool mounted)
{
	unsigned n = faults_mount_leftover(&r->m, mounted);

	return n <= before ? NULL : faults_text("%u left in work", n - before);
}

/* One trial, as far as it can be judged on this mount. */
static void try_one(struct faults_run *r, struct faults_try *t)
{
	unsigned left = faults_mount_leftover(&r->m, true);
	unsigned orphans = faults_mount_orphans(&r->m);
	const char *expect;
	char *dead;
	long got;
	bool done;

	faults_note(r, &t->f);
	faults_prepare(r, t);
	got = injected(r, t);
	r->tried++;
	r->fired += atomic_load(&r->m.control->fired) > 0;
	dead = faults_mount_alive(&r->m);
	if (dead) {
		faults_wrong(r, t, "after it", dead);
		faults_die("%s: cannot go on", r->name);
	}
	if (t->f.mode == FAULT_STICKY) {
		shrink(r);
		return;
	}
	if (t->wrong)
		return;
	done = got >= 0;
	expect = done ? r->after : t->base.text;
	t->undone = !done && r->result >= 0;
	t->wrong = faults_wrong(r, t, "at once", faults_compare(r, t, expect));
	shrink(r);
	if (!t->wrong)
		t->wrong = faults_wrong(r, t, "forgotten",
					faults_compare(r, t, expect));
	/* What cannot be thrown away, all else being done, stays for later. */
	if (!t->wrong && !done && t->f.call != FAULT_UNLINK)
		t->wrong = faults_wrong(r, t, "work", left_over(r, left, true));
	if (!t->wrong && !done && t->f.call != FAULT_UNLINK &&
	    faults_mount_orphans(&r->m) > orphans)
		t->wrong =
			faults_wrong(r, t, "index", faults_text("an orphan"));
	t->expect = strdup(expect);
	/* The others that fail are done again after the mount anew. */
	if (!t->wrong && t->undone && t->f.error == EIO)
		again(r, t, "again");
}

/* A mount and its end. */

void faults_make_lowers(const struct faults_run *r, unsigned n)
{
	for (int where = '1'; where <= '2'; where++) {
		char folder[] = { 'l', (char)where, '\0' };
		int at = faults_mount_open(&r->m, folder);

		for (unsigned i = 0; i < n; i++) {
			char name[16];
			int dir;

			snprintf(name, sizeof(name), "c%u", i);
			if (mkdirat(at, name, 0755) < 0)
				faults_die("%s: %s", name, strerror(errno));
			dir = openat(at, name,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			faults_tree_make(r->s.tree, (char)where, dir);
			close(dir);
		}
		close(at);
	}
	faults_mount_import(&r->m);
}

static void must(const struct faults_run *r, const char *what, char *why)
{
	if (why)
		faults_die("%s: %s: %s", r->name, what, why);
}

void faults_mount_it(struct faults_run *r)
{
	must(r, "mount", faults_mount_begin(&r->m));
	r->mnt = faults_mount_open(&r->m, "mnt");
}

void faults_unmount_it(struct faults_run *r)
{
	close(r->mnt);
	must(r, "unmount", faults_mount_end(&r->m));
}

/* What all of them left behind, and what a new mount makes of it. */
static void finish(struct faults_run *r, struct faults_try *all, unsigned n)
{
	struct faults_try whole = { .f = { .call = FAULT_CALLS } };

	shrink(r);
	faults_wrong(r, &whole, "after all", faults_mount_leaks(&r->m));
	faults_unmount_it(r);
	faults_wrong(r, &whole, "after the unmount", left_over(r, 0, false));
	faults_mount_it(r);
	for (unsigned i = 0; i < n; i++) {
		struct faults_try *t = &all[i];

		if (t->wrong || !t->expect)
			continue;
		faults_note(r, &t->f);
		t->wrong = faults_wrong(r, t, "mounted anew",
					faults_compare(r, t,
						       t->undone ? t->base.text
								 : t->expect));
		if (!t->wrong && t->undone)
			again(r, t, "again on a new mount");
	}
	shrink(r);
	faults_unmount_it(r);
	faults_wrong(r, &whole, "after the end", left_over(r, 0, false));
	if (faults_mount_orphans(&r->m))
		faults_wrong(r, &whole, "after the end",
			     faults_text("orphans"));
}

static uint64_t sum_of_lowers(const struct faults_mount *m)
{
	static const char *const folders[] = { "l1", "l2", "store" };
	uint64_t sum = 0;

	for (unsigned i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		char *path = faults_text("%s/%s", m->base, folders[i]);

		sum += faults_state_sum(path);
		free(path);
	}
	return sum;
}

/* Trials, all on one mount. */
void faults_try_all(struct faults_run *r, struct faults_try *all, unsigned n)
{
	uint64_t sum;
	struct faults_try whole = { .f = { .call = FAULT_CALLS } };

	faults_mount_fresh(&r->m);
	for (unsigned i = 0; i < n; i++)
		all[i].id = i;
	faults_make_lowers(r, n);
	sum = sum_of_lowers(&r->m);
	faults_mount_it(r);
	for (unsigned i = 0; i < n; i++)
		try_one(r, &all[i]);
	finish(r, all, n);
	if (sum != sum_of_lowers(&r->m))
		faults_wrong(r, &whole, "after the end",
			     faults_text("the lower has changed"));
	for (unsigned i = 0; i < n; i++) {
		faults_state_free(&all[i].base);
		free(all[i].expect);
	}
}

/* Without a fault: what must come out, and which calls there are. */
void faults_learn(struct faults_run *r)
{
	struct faults_try t = { .f = { .call = FAULT_CALLS } };
	struct faults_state after;
	int dir;

	faults_mount_fresh(&r->m);
	faults_make_lowers(r, 1);
	faults_mount_it(r);
	faults_note(r, &t.f);
	faults_prepare(r, &t);
	injected(r, &t);
	dir = faults_open_trial(r, 0);
	faults_state_take(&after, dir, &t.base);
	close(dir);
	r->after = after.text;
	t.expect = strdup(r->after);
	if (r->result < 0)
		faults_wrong(r, &t, "a failure",
			     faults_compare(r, &t, t.base.text));
	shrink(r);
	faults_wrong(r, &t, "forgotten", faults_compare(r, &t, r->after));
	faults_wrong(r, &t, "work", left_over(r, 0, true));
	finish(r, &t, 1);
	faults_state_free(&t.base);
	free(t.expect);
}
