/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/worker.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/crash.h"
#include "fs/base/creds.h"
#include "fs/base/log.h"
#include "fs/fuse.h"
#include "fs/fusewire.h"
#include "fs/htable.h"
#include "fs/itablerecover.h"
#include "fs/loop.h"
#include "fs/quotactl.h"
#include "fs/recover.h"
#include "fs/stack.h"
#include "fs/windowrun.h"

/*
 * Threads: those of the loop, and one for everything else: it waits for
 * signals (SIGUSR1: statistics; SIGUSR2: the keeper died; SIGALRM: there are
 * inodes that the kernel may have forgotten unheard) and, while there are
 * such inodes, asks about them.
 */
#define PROBE_PAUSE_MS 1000

struct worker {
	const struct worker_config *cfg;
	struct fuse_server *server;
	struct recover_backlog *backlog;
};

static unsigned thread_count(const struct options *o)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (o->threads)
		return o->threads < LOOP_THREADS_MAX ? o->threads
						     : LOOP_THREADS_MAX;
	/* One that leads, one that watches it, and who helps. */
	return cpus < 2 ? 2 : cpus > 4 ? 4 : (unsigned)cpus + 1;
}

static int thread_begin(void *ctx)
{
	(void)ctx;
	return creds_thread_init();
}

static void handle(void *ctx, void *request, size_t len, int fd)
{
	struct worker *w = ctx;

	fuse_server_handle(w->server, request, len, fd);
}

static size_t first(void *ctx, void *request, int *fd)
{
	struct worker *w = ctx;

	return w->backlog ? recover_next(w->backlog, request, fd) : 0;
}

/* Everything else. */

static void count_slot(void *ctx, struct slot *s)
{
	(void)s;
	++*(unsigned *)ctx;
}

static void say_statistics(const struct worker *w)
{
	const struct state *s = w->cfg->state;
	struct itable_stats st;
	unsigned slots = 0;

	itable_stats(w->cfg->o->inodes, &st);
	for (unsigned i = SLOT_EXEC; i <= SLOT_APPLIED; i++)
		slot_each(w->cfg->slots, (enum slot_state)i, count_slot,
			  &slots);
	log_info("stats: inodes=%llu lookups=%llu handles=%zu slots=%u "
		 "backing=%llu restarts=%u answered=%llu stall_mean_us=%llu "
		 "stall_max_us=%llu",
		 (unsigned long long)st.inodes, (unsigned long long)st.lookups,
		 htable_count(w->cfg->o->handles), slots,
		 (unsigned long long)st.backing, s->restarts,
		 (unsigned long long)slot_answered(w->cfg->slots),
		 (unsigned long long)(s->restarts ? s->stall_sum / CLOCK_US /
							    s->restarts
						  : 0),
		 (unsigned long long)(s->stall_max / CLOCK_US));
}

/* The next of the signals, or 0 when it is time to ask the kernel. */
static int next_signal(const sigset_t *set, bool probing)
{
	const struct timespec pause = { .tv_sec = PROBE_PAUSE_MS / 1000,
					.tv_nsec = PROBE_PAUSE_MS % 1000 *
						   (long)CLOCK_MS };
	int sig = probing ? sigtimedwait(set, NULL, &pause)
			  : sigwaitinfo(set, NULL);

	return sig < 0 ? 0 : sig;
}

/* Wakes the watcher: all threads block it, and it alone waits for it. */
static void on_suspects(void)
{
	kill(getpid(), SIGALRM);
}

/*
 * Asked for here: a thread that changes its ids, as those of the loop do, is
 * told no more. And the keeper may be dead already. A parent of another
 * process namespace has no number here.
 */
static void watch_keeper(const struct worker *w)
{
	pid_t parent;

	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	parent = getppid();
	if (parent != 0 && parent != (pid_t)w->cfg->state->keeper)
		w->cfg->orphaned(w->cfg->ctx);
}

static void *watch_main(void *arg)
{
	struct worker *w = arg;
	uint32_t cursor = 0;
	bool probing = true;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGALRM);
	watch_keeper(w);
	for (;;) {
		switch (next_signal(&set, probing)) {
		case SIGUSR1:
			say_statistics(w);
			break;
		case SIGUSR2:
			w->cfg->orphaned(w->cfg->ctx);
			break;
		default:
			break;
		}
		do
			probing = fuse_server_probe(w->server, &cursor);
		while (cursor != 0);
	}
	return NULL;
}

static int serve(struct worker *w)
{
	const struct state *s = w->cfg->state;
	struct loop_config loop = {
		.fd = s->fd,
		.fd_busy = s->fd_busy,
		.threads = thread_count(w->cfg->opts),
		.busy_poll = w->cfg->opts->busy_poll,
		.buffer = FUSE_REQUEST_MAX,
		.thread_begin = thread_begin,
		.first = first,
		.length = fuse_request_length,
		.caller = w->cfg->opts->follow ? fusewire_caller : NULL,
		.handle = handle,
		.ctx = w,
	};
	pthread_attr_t attr;
	pthread_t watch;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	r = pthread_create(&watch, &attr, watch_main, w);
	pthread_attr_destroy(&attr);
	if (r != 0)
		return -r;
	r = loop_run(&loop);
	pthread_cancel(watch);
	pthread_join(watch, NULL);
	return r;
}

static void say_ready(struct state *s, uint32_t generation)
{
	uint64_t one = 1, stall;

	if (s->died_at) {
		stall = clock_now() - s->died_at;
		s->stall_sum += stall;
		if (stall > s->stall_max)
			s->stall_max = stall;
	}
	atomic_store(&s->ready, generation);
	if (write(s->fd_ready, &one, sizeof(one)) < 0)
		log_warn("telling the keeper: %s", strerror(errno));
}

static int begin(struct worker *w)
{
	const struct worker_config *cfg = w->cfg;
	struct state *s = cfg->state;
	bool answered = atomic_load(&s->init_answered);
	int r;

	slot_table_begin(cfg->slots);
	r = stack_begin(cfg->o);
	if (r < 0)
		return r;
	w->server = fuse_server_new(cfg->o, cfg->slots, s->fd);
	if (!w->server)
		return -ENOMEM;
	r = fuse_server_init(w->server, s->init, s->init_len, !answered);
	if (r < 0)
		return r;
	atomic_store(&s->init_answered, 1);
	if (s->generation == 1)
		return 0;
	return recover(cfg->o, cfg->slots, w->server, s, &w->backlog);
}

/*
 * The table is the keeper's, too, and stays full when we die. What we leave is
 * for the keeper, for our successor until it has closed what is left over, and
 * for a program that is executed. The limit is this process's alone.
 */
#define ROOM 64u
#define ROOM_LAYER 4u

static void leave_room(const struct overlay *o)
{
	rlim_t room = ROOM + ROOM_LAYER * o->n_layers;
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	if (room > rl.rlim_cur / 4)
		room = rl.rlim_cur / 4;
	rl.rlim_cur -= room;
	if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
		log_debug("room for descriptors: %s", strerror(errno));
}

int worker_run(const struct worker_config *cfg)
{
	struct worker w = { .cfg = cfg };
	uint32_t generation = cfg->state->generation;
	struct quotactl *quota = NULL;
	struct windowrun *window = NULL;
	int r;

	/* Few arenas: an idle mount shall be small. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	itablerecover_on_suspects(cfg->o->inodes, on_suspects);
	r = begin(&w);
	if (r == 0) {
		CRASH_POINT(RECOVER_READY);
		say_ready(cfg->state, generation);
		cfg->live(cfg->ctx);
		r = windowrun_start(&window, cfg->o, cfg->state);
	}
	if (r == 0)
		r = quotactl_start(&quota, cfg->o, cfg->state);
	if (r == 0) {
		leave_room(cfg->o);
		r = serve(&w);
		if (r == 0 || r == -ENODEV) {
			windowrun_stop(window);
			quotactl_stop(quota);
		}
	}
	if (r < 0 && r != -ENODEV)
		log_error("serving: %s", strerror(-r));
	if (r == -EAGAIN || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		atomic_store(&cfg->state->lacks, 1);
	recover_backlog_free(w.backlog);
	fuse_server_free(w.server);
	return r == -ENODEV ? 0 : r;
}
