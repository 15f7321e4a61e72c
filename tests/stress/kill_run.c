/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The load: processes that each do one operation after the other, at random,
 * until it is time or they are told to stop; and one that watches them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "tests/stress/kill.h"

#define HANGS (90 * CLOCK_S) /* a call that is never coming back */
#define SIGNALS_US 3000

static const struct kill_op *const tables[] = {
	kill_names_ops, kill_data_ops, kill_open_ops,
	kill_attr_ops,	kill_file_ops, kill_dir_ops,
	kill_meet_ops,	kill_low_ops,  kill_lowdir_ops,
};

#define N_TABLES (sizeof(tables) / sizeof(tables[0]))
#define CHILDREN (KILL_PROCS + KILL_PASSES + 1)

struct load {
	const struct kill_options *o;
	int top;
	pid_t pids[CHILDREN];
	unsigned n;
};

bool kill_stopping(void)
{
	return atomic_load(&kill_state->stop) ||
	       (kill_state->until && clock_now() >= kill_state->until);
}

/* ---- one process ----------------------------------------------------------- */

static unsigned all_weights(void)
{
	unsigned all = 0;

	for (unsigned t = 0; t < N_TABLES; t++)
		for (const struct kill_op *op = tables[t]; op->run; op++)
			all += op->weight;
	return all;
}

static const struct kill_op *pick_op(struct kill_proc *p, unsigned all)
{
	unsigned at = kill_random(p, all);

	for (unsigned t = 0; t < N_TABLES; t++)
		for (const struct kill_op *op = tables[t]; op->run; op++) {
			if (at < op->weight)
				return op;
			at -= op->weight;
		}
	return tables[0];
}

static int open_dir(struct kill_proc *p, int at, const char *path)
{
	int fd = (int)KILL_DO(p, 0, path,
			      openat(at, path,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (fd < 0)
		exit(1);
	return fd;
}

/* An empty tree with an empty model, in which nothing has gone wrong yet. */
static void begin_tree(struct kill_proc *p)
{
	char path[32];

	memset(p->nodes, 0, sizeof(p->nodes));
	memset(p->files, 0, sizeof(p->files));
	p->nodes[0] = (struct kill_node){ .used = true, .type = KILL_DIR };
	snprintf(path, sizeof(path), "tree%u", p->era);
	if (KILL_DO(p, 0, path, mkdirat(p->top, path, 0755)) < 0)
		exit(1);
	p->dir = open_dir(p, p->top, path);
	KILL_DO(p, 0, path, fchdir(p->dir));
}

/* What was wrong is told: leave it, and see what else is there. */
static void leave_tree(struct kill_proc *p)
{
	kill_open_end(p);
	kill_dir_end(p);
	kill_file_end(p);
	kill_meet_again(p);
	kill_dir_again(p);
	close(p->dir);
	p->broken = false;
	p->era++;
	begin_tree(p);
}

static void end_proc(struct kill_proc *p)
{
	kill_open_end(p);
	kill_dir_end(p);
	kill_file_end(p);
	kill_meet_end(p);
}

static void on_signal(int number)
{
	(void)number;
}

static void begin_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerval timer = {
		.it_interval = { .tv_usec = SIGNALS_US },
		.it_value = { .tv_usec = SIGNALS_US },
	};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void proc_run(unsigned n, int top)
{
	struct kill_proc *p = &kill_state->proc[n];
	unsigned all = all_weights();
	char path[32];

	p->self = n;
	p->random = kill_state->seed * 64 + n;
	snprintf(path, sizeof(path), "p%u", n);
	p->top = open_dir(p, top, path);
	p->shared_fd = open_dir(p, top, "shared");
	kill_dir_begin(p);
	begin_tree(p);
	if (kill_state->signals)
		begin_signals();
	atomic_fetch_add(&kill_state->ready, 1);
	while (!kill_stopping()) {
		pick_op(p, all)->run(p);
		if (p->broken)
			leave_tree(p);
	}
	end_proc(p);
}

/* A remount changes nothing, but makes the kernel forget unused names. */
static void forget_run(unsigned ms, const char *mnt)
{
	static struct kill_proc self;
	struct timespec pause = { .tv_sec = ms / 1000,
				  .tv_nsec = ms % 1000 * 1000000L };

	self.self = 200;
	while (!kill_stopping()) {
		nanosleep(&pause, NULL);
		KILL_DO(&self, 0, mnt,
			mount(NULL, mnt, NULL, MS_REMOUNT, NULL));
		atomic_fetch_add(&kill_state->forgets, 1);
	}
}

/* ---- who watches them ------------------------------------------------------ */

/* True in the child. */
static bool in_child(struct load *l)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("kill: fork");
		atomic_fetch_add(&kill_state->errors, 1);
		return false;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return true;
	}
	l->pids[l->n++] = pid;
	return false;
}

static void start(struct load *l)
{
	for (unsigned n = 0; n < kill_state->procs; n++)
		if (in_child(l)) {
			proc_run(n, l->top);
			exit(0);
		}
	for (unsigned n = 0; n < l->o->passes; n++)
		if (in_child(l)) {
			if (kill_state->signals)
				begin_signals();
			kill_pass_run(n, l->top);
			exit(0);
		}
	if (l->o->forget && in_child(l)) {
		forget_run(l->o->forget, l->o->mnt);
		exit(0);
	}
}

static void reap(struct load *l, unsigned n, int status)
{
	const char *call = n < kill_state->procs
				   ? atomic_load(&kill_state->proc[n].call)
				   : NULL;

	l->pids[n] = 0;
	if (!status)
		return;
	atomic_fetch_add(&kill_state->errors, 1);
	fprintf(stderr, "kill: process %u ended with %s %d, in %s\n", n,
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		call ? call : "?");
}

static unsigned reap_all(struct load *l)
{
	unsigned left = 0;
	int status;

	for (unsigned n = 0; n < l->n; n++) {
		if (l->pids[n] && waitpid(l->pids[n], &status, WNOHANG) > 0)
			reap(l, n, status);
		left += l->pids[n] != 0;
	}
	return left;
}

static bool hangs(const struct kill_proc *p)
{
	uint64_t began = atomic_load(&p->began), now = clock_now();
	const char *call = atomic_load(&p->call);

	if (!began || began + HANGS > now)
		return false;
	fprintf(stderr, "kill: p%u hangs in %s since %llu s\n", p->self,
		call ? call : "?",
		(unsigned long long)((now - began) / CLOCK_S));
	atomic_fetch_add(&kill_state->errors, 1);
	return true;
}

/* Until all have ended; false: some never will. */
static bool watch(struct load *l)
{
	struct timespec pause = { .tv_nsec = 20000000 };

	while (reap_all(l)) {
		nanosleep(&pause, NULL);
		if (kill_state->until && !kill_stopping())
			kill_state->progress =
				(uint32_t)((clock_now() - kill_state->started) *
					   65536 /
					   (kill_state->until -
					    kill_state->started));
		for (unsigned n = 0; n < kill_state->procs; n++)
			if (l->pids[n] && hangs(&kill_state->proc[n]))
				return false;
	}
	return true;
}

int kill_load(const struct kill_options *o, int top)
{
	struct load l = { .o = o, .top = top };

	kill_state->procs = o->procs;
	kill_state->n_passes = o->passes;
	kill_state->lows = o->lows;
	kill_state->seed = o->seed;
	kill_state->signals = o->signals;
	kill_state->started = clock_now();
	if (o->seconds)
		kill_state->until = kill_state->started + o->seconds * CLOCK_S;
	if (o->passes && mkdirat(top, "pass", 0755)) {
		perror("kill: pass");
		return 1;
	}
	start(&l);
	if (watch(&l))
		return kill_state->errors || kill_state->mismatches;
	atomic_store(&kill_state->stop, 1);
	for (unsigned n = 0; n < l.n; n++)
		if (l.pids[n])
			kill(l.pids[n], SIGKILL);
	return 1;
}
