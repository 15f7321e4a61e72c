/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who kills: the keeper's worker, at random times and at crash points, and
 * how long it takes until the next one answers. A prober asks for statfs, which
 * no kernel answers by itself, over and over.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "tests/stress/kill_killer.h"

#define PATIENCE (60 * CLOCK_S) /* for an answer, for a new worker */
#define STANDSTILL (3 * CLOCK_S)
#define PAGES 100 /* read or written in that time */

void killer_pause(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / CLOCK_S),
			      .tv_nsec = (long)(ns % CLOCK_S) };

	nanosleep(&t, NULL);
}

static size_t command_line(unsigned pid, char *line, size_t size)
{
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(line, 1, size, f);
	fclose(f);
	return n;
}

static bool has_threads(unsigned pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	return !stat(path, &st) && st.st_nlink > 3;
}

/*
 * A worker was forked and nothing else: it has its keeper's command line. So
 * has, for a moment, what a keeper makes to look at a program that is to take
 * over; but that has one thread.
 */
static bool is_worker(unsigned keeper, unsigned pid)
{
	char ours[4096], its[sizeof(ours)];
	size_t n = command_line(keeper, ours, sizeof(ours));

	return n && command_line(pid, its, sizeof(its)) == n &&
	       !memcmp(ours, its, n) && has_threads(pid);
}

/* The keeper's child that is its worker; 0: it has none. */
static pid_t find_worker(unsigned keeper)
{
	char path[64];
	unsigned pid = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/children", keeper,
		 keeper);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!found && fscanf(f, "%u", &pid) == 1)
		found = is_worker(keeper, pid);
	fclose(f);
	return found ? (pid_t)pid : 0;
}

static void probe(const char *mnt)
{
	struct statfs st;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		uint64_t from = clock_now();

		if (statfs(mnt, &st)) {
			fprintf(stderr, "kill: statfs: %s\n", strerror(errno));
			atomic_fetch_add(&kill_state->errors, 1);
			killer_pause(100 * CLOCK_MS);
		}
		atomic_store(&kill_state->probe_to, 0);
		atomic_store(&kill_state->probe_from, from);
		atomic_store(&kill_state->probe_to, clock_now());
		killer_pause(100 * CLOCK_US);
	}
}

/* The end of the first probe that began after `then`; 0: not yet. */
static uint64_t answered(uint64_t then)
{
	uint64_t to = atomic_load(&kill_state->probe_to);
	uint64_t from = atomic_load(&kill_state->probe_from);

	return to && from >= then && to == atomic_load(&kill_state->probe_to)
		       ? to
		       : 0;
}

static bool failed(const char *what)
{
	fprintf(stderr, "kill: %s\n", what);
	atomic_fetch_add(&kill_state->errors, 1);
	return false;
}

/* The worker, another one than `was`. */
static bool wait_worker(struct killer *k, pid_t was, uint64_t until)
{
	do {
		k->worker = find_worker(k->o->keeper);
		if (k->worker && k->worker != was)
			return true;
		killer_pause(100 * CLOCK_US);
	} while (clock_now() < until);
	return failed("the keeper has no new worker");
}

bool killer_wait_answer(struct killer *k, uint64_t then)
{
	uint64_t to;
	pid_t was = k->worker;

	while (!(to = answered(then))) {
		if (clock_now() > then + PATIENCE)
			return failed("no answer from the mount");
		killer_pause(100 * CLOCK_US);
	}
	kill_hist_add(&kill_state->stalls, to - then);
	atomic_fetch_add(&kill_state->kills, 1);
	return wait_worker(k, was, then + PATIENCE);
}

bool killer_strike(struct killer *k)
{
	pid_t now = find_worker(k->o->keeper);

	/* one that died a second time is somebody else's number by now */
	if (now)
		k->worker = now;
	return !kill(k->worker, SIGKILL) || errno == ESRCH;
}

bool killer_random(struct killer *k)
{
	uint64_t then = clock_now();

	return killer_strike(k) ? killer_wait_answer(k, then)
				: failed("the worker cannot be killed");
}

/* ---- the run ---------------------------------------------------------------- */

static bool begin(struct killer *k)
{
	unsigned all = kill_state->procs + kill_state->n_passes;
	uint64_t until = clock_now() + PATIENCE;

	while (atomic_load(&kill_state->ready) < all) {
		if (clock_now() > until)
			return failed("the load does not begin");
		killer_pause(10 * CLOCK_MS);
	}
	if (!wait_worker(k, 0, until))
		return false;
	k->prober = fork();
	if (k->prober == 0)
		probe(k->o->mnt);
	return k->prober > 0 || failed("no prober");
}

static void progress(const struct killer *k, unsigned done, uint64_t from)
{
	uint64_t part = 0, time;

	if (k->o->kills)
		part = (uint64_t)done * 65536 / k->o->kills;
	if (k->o->seconds) {
		time = (clock_now() - from) * 65536 / (k->o->seconds * CLOCK_S);
		part = time > part ? time : part;
	}
	atomic_store(&kill_state->progress,
		     part > 65536 ? 65536 : (uint32_t)part);
}

static void run(struct killer *k)
{
	uint64_t from = clock_now();
	unsigned least = k->o->from, span = k->o->to - least + 1, done = 0;
	bool well = true;

	while (well && !kill_stopping() &&
	       (!k->o->kills || done < k->o->kills) &&
	       (!k->o->seconds ||
		clock_now() - from < k->o->seconds * CLOCK_S)) {
		killer_pause(least * CLOCK_MS +
			     kill_random(&k->self, span * 1000) * CLOCK_US);
		atomic_store(&kill_state->point, 0);
		if (k->control && done % 2)
			well = killer_point(k);
		else
			well = killer_random(k);
		progress(k, ++done, from);
	}
}

int kill_killer(const struct kill_options *o, int top)
{
	static struct killer k;

	(void)top;
	k.o = o;
	k.self.self = 300;
	k.self.random = o->seed;
	if (o->control) {
		k.control = kill_control(o->control);
		if (!k.control)
			return 2;
	}
	if (begin(&k)) {
		if (k.control)
			killer_count_hits(&k);
		run(&k);
	}
	atomic_store(&kill_state->stop, 1);
	if (k.prober > 0)
		kill(k.prober, SIGKILL);
	return kill_state->errors || kill_state->mismatches;
}

/* ---- without a worker ------------------------------------------------------- */

static bool all_go_on(void)
{
	uint64_t from[KILL_PASSES], until = clock_now() + STANDSTILL;
	unsigned going = 0;

	for (unsigned n = 0; n < KILL_PASSES; n++)
		from[n] = atomic_load(&kill_state->pass[n].done);
	while (going < KILL_PASSES && clock_now() < until) {
		killer_pause(10 * CLOCK_MS);
		going = 0;
		for (unsigned n = 0; n < KILL_PASSES; n++)
			going += atomic_load(&kill_state->pass[n].done) >
				 from[n] + PAGES;
	}
	return going == KILL_PASSES;
}

int kill_passthrough(const struct kill_options *o, int top)
{
	static struct killer k;
	bool ok;

	(void)top;
	k.o = o;
	if (!wait_worker(&k, 0, clock_now() + PATIENCE) ||
	    kill(k.worker, SIGSTOP))
		return 2;
	ok = all_go_on();
	kill(k.worker, SIGCONT);
	/* what had to wait for us is no stall */
	killer_pause(200 * CLOCK_MS);
	memset(&kill_state->calls, 0, sizeof(kill_state->calls));
	return !ok;
}
