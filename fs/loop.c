/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/loop.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "fs/base/backoff.h"
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/follow.h"
#include "fs/lend.h"

/*
 * Roles of a thread:
 *
 *	leader	waits for requests: busy for a while, then in poll(2). At most
 *		one; it handles what it gets itself if that is short.
 *	helper	reads without waiting while there is more than one thread can
 *		do, then parks.
 *	parked	sleeps on `wake`. One of them, the deputy, looks now
 *		and then while requests come in whether the leader is stuck
 *		in one, and takes the lead if so. Not often: its waking up
 *		disturbs whoever we serve (every 1 ms: 7 us a request).
 *
 * Leadership has a number, `term`. `served` begins at term << 16 and moves with
 * each request that the leader starts or ends, so it is odd while it handles
 * one; a leader that was replaced finds another value than it left there.
 * Under `lock`: term, vacant, deputy, calls, parked. `asleep` is set while the
 * leader is in poll(2).
 */
#define DEPUTY_PERIOD (10 * CLOCK_MS)
#define STREAK 16    /* requests in a row without a wait: call for help */
#define AT_ONCE 1500 /* ns; the request had been waiting for us */
#define PUSHED_OFF (50 * CLOCK_US) /* one busy round that took this long */
#define SHARED (15 * CLOCK_US)
#define PAUSE_MIN (CLOCK_MS / 2) /* no busy waiting after one in vain */
#define PAUSE_MAX (20 * CLOCK_MS)
#define NAP_MS 10
#define TRIM_AFTER_MS 2000
#define KEEP_BYTES 65536u

struct loop {
	const struct loop_config *cfg;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	unsigned term;
	bool vacant;	     /* nobody leads */
	_Atomic bool deputy; /* one of the parked is it */
	unsigned calls;	     /* helpers called and not yet come */
	unsigned parked;
	_Atomic unsigned served;
	_Atomic bool asleep, ended;
	_Atomic int error;
	struct lend lend; /* the leader's */
};

struct worker {
	struct loop *l;
	unsigned char *buf;
	bool full;	     /* all of buf is in memory */
	int from;	     /* the descriptor that the request came by */
	bool near;	     /* requests come within the busy wait's time */
	bool missed;	     /* the last busy wait was in vain */
	bool ready;	     /* the last request was there at once */
	struct backoff busy; /* waiting that was in vain, ns */
	struct follow follow;
	int tid;
	uint32_t caller; /* who asked last */
	unsigned term;
	unsigned mark; /* what we last put into `served` */
};

static void end(struct loop *l, int error)
{
	pthread_mutex_lock(&l->lock);
	if (error)
		atomic_store(&l->error, error);
	atomic_store(&l->ended, true);
	pthread_cond_broadcast(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

static void trim(struct worker *w)
{
	if (w->full)
		madvise(w->buf + KEEP_BYTES, w->l->cfg->buffer - KEEP_BYTES,
			MADV_DONTNEED);
	w->full = false;
}

/*
 * Before each read: a process that is killed while the kernel waits for one
 * of the buffer's pages takes the request with it, answered with EIO.
 */
static void fill(struct worker *w)
{
	if (!w->full)
		madvise(w->buf, w->l->cfg->buffer, MADV_POPULATE_WRITE);
	w->full = true;
}

/* A request's length; 0: nothing there; < 0: -errno. */
static ssize_t take_from(struct worker *w, int fd)
{
	fill(w);
	for (;;) {
		ssize_t n = read(fd, w->buf, w->l->cfg->buffer);

		if (n > 0) {
			w->from = fd;
			return n;
		}
		if (n < 0 && errno == EAGAIN)
			return 0;
		/* Interrupted, or the request went away while we took it. */
		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		return n < 0 ? -errno : -ENODEV;
	}
}

static ssize_t take(struct worker *w)
{
	return take_from(w, w->l->cfg->fd_busy);
}

static void relax(void)
{
	for (int i = 0; i < 16; i++) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
	}
}

/* It did not pay: leave it alone for a while, longer each time. */
static void back_off(struct worker *w)
{
	backoff_pause(&w->busy, clock_now(), PAUSE_MIN, PAUSE_MAX);
}

/* ns. Who answers several in turns keeps one of them from running. */
static uint64_t busy_limit(const struct worker *w)
{
	uint64_t limit = w->l->cfg->busy_poll * CLOCK_US;

	return follow_shared(&w->follow) && limit > SHARED ? SHARED : limit;
}

/*
 * Ask again and again, for the configured time at most. Where others want the
 * processor too, a sleeper is woken sooner than a spinner gets its next turn:
 * being pushed off it, or having kept it from the very client that we waited
 * for (it asks as soon as we sleep), means that busy waiting does not pay.
 */
static ssize_t take_busily(struct worker *w)
{
	uint64_t limit = busy_limit(w);
	uint64_t from = clock_now(), last = from, t;
	ssize_t n;

	do {
		relax();
		n = take(w);
		t = clock_now();
		if (t - last > PUSHED_OFF) {
			back_off(w);
			return n;
		}
		if (n != 0) {
			w->busy.pause /= 2;
			return n;
		}
		last = t;
	} while (t - from < limit);
	w->missed = true;
	return 0;
}

static ssize_t sleep_for_request(struct worker *w)
{
	struct loop *l = w->l;
	struct pollfd p = { .fd = l->cfg->fd, .events = POLLIN };
	uint64_t limit = busy_limit(w);
	uint64_t from = clock_now(), slept;
	ssize_t n;

	atomic_store(&l->asleep, true);
	if (!w->full || poll(&p, 1, TRIM_AFTER_MS) == 0) {
		trim(w);
		follow_part(&w->follow);
		poll(&p, 1, -1);
	}
	n = take_from(w, l->cfg->fd);
	atomic_store(&l->asleep, false);
	slept = clock_now() - from;
	if (w->missed && slept < limit)
		back_off(w);
	w->missed = false;
	/* Would a busy wait have caught it? Then the next is worth one. */
	w->near = slept < limit;
	return n;
}

static bool busy_pays(struct worker *w)
{
	/* It would only keep a client from running. */
	if (!w->l->cfg->busy_poll || !w->near || follow_together(&w->follow))
		return false;
	return !backoff_is_on(&w->busy, clock_now);
}

/* In the idle class one does not sleep long: the deputy must not, either. */
static ssize_t nap_for_request(struct worker *w)
{
	struct pollfd p = { .fd = w->l->cfg->fd_busy, .events = POLLIN };

	return poll(&p, 1, NAP_MS) > 0 ? take(w) : 0;
}

static ssize_t wait_for_request(struct worker *w)
{
	const bool busy = busy_pays(w);
	ssize_t n = 0;

	if (busy || (w->ready && follow_together(&w->follow)))
		n = take(w);
	if (n == 0 && busy)
		n = take_busily(w);
	if (n == 0 && lend_is_lent(&w->l->lend, w->tid))
		n = nap_for_request(w);
	if (n != 0)
		return n;
	lend_end(&w->l->lend, w->tid);
	return sleep_for_request(w);
}

/* Let another thread lead; false if there is none to. */
static bool hand_over(struct worker *w)
{
	struct loop *l = w->l;
	bool ok;

	pthread_mutex_lock(&l->lock);
	ok = l->term == w->term && l->parked > 0;
	if (ok) {
		l->vacant = true;
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&l->lock);
	return ok;
}

static void call_helper(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	if (l->parked > l->calls + 1) {
		l->calls++;
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&l->lock);
}

static void handle(struct worker *w, size_t len)
{
	w->l->cfg->handle(w->l->cfg->ctx, w->buf, len, w->from);
}

static bool failed(struct worker *w, ssize_t n)
{
	if (n >= 0)
		return atomic_load(&w->l->ended);
	end(w->l, n == -ENODEV ? 0 : (int)n);
	return true;
}

static uint32_t caller_of(struct worker *w, size_t len)
{
	const struct loop_config *cfg = w->l->cfg;

	return cfg->caller ? cfg->caller(w->buf, len) : 0;
}

static void follow_client(struct worker *w, uint32_t caller,
			  enum loop_length length)
{
	if (length != LOOP_SLOW)
		follow_request(&w->follow, caller);
	if (length == LOOP_SLOW || !follow_alone(&w->follow))
		lend_end(&w->l->lend, w->tid);
	else if (atomic_load(&w->l->deputy))
		lend_begin(&w->l->lend, w->tid);
}

/* A request begins or ends; false: somebody else leads by now. */
static bool mark(struct worker *w)
{
	unsigned was = w->mark;

	w->mark++;
	return atomic_compare_exchange_strong(&w->l->served, &was, w->mark);
}

/* While requests come in somebody must watch us. */
static void want_deputy(struct loop *l)
{
	if (atomic_load(&l->deputy))
		return;
	pthread_mutex_lock(&l->lock);
	if (!l->deputy && l->parked > 0)
		pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

/*
 * Do requests come in faster than one can answer them? Who follows its client
 * finds each of its requests waiting.
 */
static bool is_behind(struct worker *w, uint32_t caller)
{
	bool other = caller && caller != w->caller;

	if (other)
		w->caller = caller;
	return w->ready && (other || !follow_together(&w->follow));
}

/* Would others wait for what we are going to handle? */
static bool others_wait(const struct worker *w, enum loop_length length,
			uint32_t caller)
{
	return length == LOOP_SLOW ||
	       (length == LOOP_DATA && !(caller && follow_row(&w->follow)));
}

static void lead_on(struct worker *w)
{
	struct loop *l = w->l;
	unsigned streak = 0;

	for (;;) {
		uint64_t from = clock_now();
		ssize_t n = wait_for_request(w);
		enum loop_length length;
		uint32_t caller;

		if (failed(w, n))
			return;
		caller = caller_of(w, (size_t)n);
		w->ready = clock_now() - from < AT_ONCE;
		streak = is_behind(w, caller) ? streak + 1 : 0;
		length = l->cfg->length(w->buf, (size_t)n);
		follow_client(w, caller, length);
		if (others_wait(w, length, caller) && hand_over(w))
			return (void)handle(w, (size_t)n);
		if (streak >= STREAK) {
			call_helper(l);
			streak = 0;
		}
		/* Not only after a sleep: the last one may have gone to help. */
		want_deputy(l);
		if (!mark(w)) {
			lend_end(&l->lend, w->tid);
			return (void)handle(w, (size_t)n);
		}
		handle(w, (size_t)n);
		if (!mark(w))
			return;
	}
}

/* Lead until somebody else does, or the end. */
static void lead(struct worker *w)
{
	lead_on(w);
	lend_end(&w->l->lend, w->tid);
	follow_part(&w->follow);
}

static void help(struct worker *w)
{
	ssize_t n;

	while ((n = take(w)) > 0)
		handle(w, (size_t)n);
	failed(w, n);
}

/* False: nobody woke us for so long. */
static bool wait_locked(struct loop *l, uint64_t ns)
{
	struct timespec at;
	uint64_t t;

	clock_gettime(CLOCK_MONOTONIC, &at);
	t = (uint64_t)at.tv_sec * CLOCK_S + (uint64_t)at.tv_nsec + ns;
	at.tv_sec = (time_t)(t / CLOCK_S);
	at.tv_nsec = (long)(t % CLOCK_S);
	return pthread_cond_timedwait(&l->wake, &l->lock, &at) != ETIMEDOUT;
}

/* Is there a request that nobody has taken? */
static bool one_waits(const struct loop *l)
{
	struct pollfd p = { .fd = l->cfg->fd_busy, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/*
 * Watch the leader while it is awake; true: it is stuck, we lead. One that has
 * lent its processor may only have to get it back.
 */
static bool watch_locked(struct loop *l)
{
	unsigned seen = atomic_load(&l->served);
	bool waits;

	wait_locked(l, DEPUTY_PERIOD);
	if (atomic_load(&l->served) != seen)
		return false;
	waits = lend_is_lent(&l->lend, 0) && one_waits(l);
	if (!(seen & 1) && !waits)
		return false;
	return !lend_rescue(&l->lend, waits) && (seen & 1);
}

enum role { ROLE_LEAD, ROLE_HELP, ROLE_END };

static enum role park(struct worker *w)
{
	struct loop *l = w->l;
	enum role role = ROLE_END;
	bool stuck = false, deputy = false;

	pthread_mutex_lock(&l->lock);
	l->parked++;
	while (!l->vacant && !stuck && !l->calls && !atomic_load(&l->ended)) {
		if (!l->deputy && !atomic_load(&l->asleep))
			l->deputy = deputy = true;
		if (deputy && !atomic_load(&l->asleep)) {
			stuck = watch_locked(l);
			continue;
		}
		if (deputy) {
			l->deputy = deputy = false;
			/* Awake by now, and it saw that there was a deputy? */
			continue;
		}
		/* Not at once: the lead may go round at every request. */
		if (!w->full)
			pthread_cond_wait(&l->wake, &l->lock);
		else if (!wait_locked(l, TRIM_AFTER_MS * CLOCK_MS))
			trim(w);
	}
	l->parked--;
	if (deputy)
		l->deputy = false;
	if (atomic_load(&l->ended)) {
		role = ROLE_END;
	} else if (l->vacant || stuck) {
		l->vacant = false;
		w->term = ++l->term;
		w->mark = l->term << 16;
		atomic_store(&l->served, w->mark);
		role = ROLE_LEAD;
	} else {
		l->calls--;
		role = ROLE_HELP;
	}
	pthread_mutex_unlock(&l->lock);
	return role;
}

static void work_off(struct worker *w)
{
	const struct loop_config *cfg = w->l->cfg;
	size_t n;

	while (cfg->first && (n = cfg->first(cfg->ctx, w->buf, &w->from)) > 0)
		handle(w, n);
}

static void work(struct worker *w)
{
	enum role role;

	work_off(w);

	while ((role = park(w)) != ROLE_END) {
		if (role == ROLE_LEAD)
			lead(w);
		else
			help(w);
	}
}

static void *thread_main(void *arg)
{
	struct loop *l = arg;
	struct worker w = { .l = l, .tid = (int)syscall(SYS_gettid) };

	follow_begin(&w.follow);
	if (l->cfg->thread_begin)
		l->cfg->thread_begin(l->cfg->ctx);
	w.buf = mmap(NULL, l->cfg->buffer, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w.buf == MAP_FAILED) {
		end(l, -ENOMEM);
		return NULL;
	}
	/*
	 * A copy of the process would have its pages protected, and we would
	 * be killed while one is made anew: see fill().
	 */
	madvise(w.buf, l->cfg->buffer, MADV_DONTFORK);
	work(&w);
	follow_end(&w.follow);
	munmap(w.buf, l->cfg->buffer);
	return NULL;
}

int loop_run(const struct loop_config *cfg)
{
	struct loop l = { .cfg = cfg, .vacant = true };
	pthread_t threads[LOOP_THREADS_MAX];
	pthread_condattr_t clock;
	pthread_attr_t attr;
	unsigned n = 0;

	lend_init(&l.lend);
	pthread_mutex_init(&l.lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&l.wake, &clock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 512 * 1024);
	while (n + 1 < cfg->threads) {
		if (pthread_create(&threads[n], &attr, thread_main, &l) != 0)
			break;
		n++;
	}
	thread_main(&l);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	pthread_attr_destroy(&attr);
	pthread_cond_destroy(&l.wake);
	pthread_condattr_destroy(&clock);
	pthread_mutex_destroy(&l.lock);
	return atomic_load(&l.error);
}
