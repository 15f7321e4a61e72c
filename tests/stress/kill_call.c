/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One call: how long it took, and whether it came out as the model says. What
 * did not is a line: who, when, after how many kills and at which point the
 * last one was, the call, its path, what was expected and what came.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "fs/base/crash.h"
#include "tests/stress/kill.h"

#define LINES 20 /* of one process; the others are only counted */

/* What a signal may interrupt. Nothing that changes names may be. */
static const char *const interruptible[] = {
	"open(",   "openat(", "read(",	    "pread(",	  "write(",
	"pwrite(", "fsync(",  "fdatasync(", "ftruncate(", "fallocate(",
	"flock(",  "fcntl(",  "fstatvfs(",  "fstatfs(",	  "copy_file_range(",
	NULL
};

static bool may_interrupt(const char *text)
{
	for (unsigned i = 0; interruptible[i]; i++)
		if (!strncmp(text, interruptible[i], strlen(interruptible[i])))
			return true;
	return false;
}

static void tell(struct kill_proc *p, const char *file, int line,
		 const char *what)
{
	uint64_t point = atomic_load(&kill_state->point);
	unsigned where = (unsigned)(point & 0xffff);
	double at = (double)(clock_now() - kill_state->started) / 1e9;
	char text[640];
	int n;

	p->broken = true;
	if (p->lines++ >= LINES)
		return;
	n = snprintf(text, sizeof(text),
		     "kill: p%u %.3fs kills=%u %s/%u %s:%d %s\n", p->self, at,
		     atomic_load(&kill_state->kills),
		     where ? crash_name((enum crash_where)(where - 1)) : "-",
		     (unsigned)(point >> 16), file, line, what);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	if (write(STDERR_FILENO, text, (size_t)n) != n)
		p->lines++;
}

void kill_wrong(struct kill_proc *p, const char *file, int line,
		const char *fmt, ...)
{
	char what[480];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	atomic_fetch_add(&kill_state->mismatches, 1);
	tell(p, file, line, what);
}

bool kill_same(struct kill_proc *p, const char *path,
	       const struct kill_row *rows, unsigned n)
{
	for (; n; n--, rows++) {
		bool octal = !strcmp(rows->what, "mode");

		if (rows->want == rows->got)
			continue;
		KILL_WRONG(p,
			   octal ? "%s: %s is %llo, expected %llo"
				 : "%s: %s is %llu, expected %llu",
			   path, rows->what, (unsigned long long)rows->got,
			   (unsigned long long)rows->want);
		return false;
	}
	return true;
}

static const char *outcome(int error)
{
	const char *name = strerrorname_np(error);

	if (!error)
		return "success";
	return name ? name : "an unknown error";
}

static bool is_wanted(const struct kill_call *c, int got)
{
	for (unsigned i = 0; c->wants[i] >= 0; i++)
		if (c->wants[i] == got)
			return true;
	return false;
}

static void surprise(struct kill_proc *p, const struct kill_call *c, int got)
{
	char what[480], wants[80] = "";
	size_t len = 0;

	if (got && is_wanted(c, 0))
		atomic_fetch_add(&kill_state->errors, 1);
	else
		atomic_fetch_add(&kill_state->mismatches, 1);
	for (unsigned i = 0; c->wants[i] >= 0 && len < sizeof(wants); i++)
		len += (size_t)snprintf(wants + len, sizeof(wants) - len,
					"%s%s", i ? " or " : "",
					outcome(c->wants[i]));
	snprintf(what, sizeof(what), "%s: %s: expected %s, got %s%s", c->path,
		 c->text, wants, outcome(got),
		 c->again ? " (after EINTR)" : "");
	tell(p, c->file, c->line, what);
}

void kill_begin(struct kill_proc *p, struct kill_call *c)
{
	c->began = clock_now();
	atomic_store_explicit(&p->call, c->text, memory_order_relaxed);
	atomic_store_explicit(&p->began, c->began, memory_order_relaxed);
	errno = 0;
}

bool kill_end(struct kill_proc *p, struct kill_call *c, long *r)
{
	int got = *r < 0 ? errno : 0;

	kill_hist_add(&kill_state->calls, clock_now() - c->began);
	atomic_store_explicit(&p->began, 0, memory_order_relaxed);
	if (got == EINTR && kill_state->signals && may_interrupt(c->text)) {
		atomic_fetch_add(&kill_state->interrupted, 1);
		c->again = true;
		return true;
	}
	p->happened = c->again && got == EEXIST && !is_wanted(c, got);
	if (p->happened)
		return false;
	if (!is_wanted(c, got)) {
		surprise(p, c, got);
		*r = -1;
	}
	return false;
}

static unsigned bucket(uint64_t ns)
{
	unsigned power, n;

	if (ns < 1024)
		return 0;
	power = 63 - (unsigned)__builtin_clzll(ns);
	n = (power - 10) * 16 + ((unsigned)(ns >> (power - 4)) & 15) + 1;
	return n < KILL_BUCKETS ? n : KILL_BUCKETS - 1;
}

static uint64_t bucket_top(unsigned n)
{
	if (!n)
		return 1024;
	n--;
	return (uint64_t)(16 + n % 16 + 1) << (n / 16 + 6);
}

void kill_hist_add(struct kill_hist *h, uint64_t ns)
{
	uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

	atomic_fetch_add_explicit(&h->n[bucket(ns)], 1, memory_order_relaxed);
	while (ns > max && !atomic_compare_exchange_weak(&h->max, &max, ns))
		;
}

uint64_t kill_hist_count(const struct kill_hist *h, uint64_t from)
{
	uint64_t sum = 0;

	for (unsigned n = bucket(from); n < KILL_BUCKETS; n++)
		sum += atomic_load(&h->n[n]);
	return sum;
}

uint64_t kill_hist_part(const struct kill_hist *h, uint64_t from, double part)
{
	double all = (double)kill_hist_count(h, from) * part;
	uint64_t max = atomic_load(&h->max), sum = 0;

	for (unsigned n = bucket(from); n < KILL_BUCKETS; n++) {
		sum += atomic_load(&h->n[n]);
		if (sum && (double)sum >= all)
			return bucket_top(n) < max ? bucket_top(n) : max;
	}
	return max;
}

/* Never zero: a stream that is all its own. */
unsigned kill_random(struct kill_proc *p, unsigned below)
{
	uint64_t z = p->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % below);
}

bool kill_chance(struct kill_proc *p, unsigned one_of)
{
	return kill_random(p, one_of) == 0;
}
