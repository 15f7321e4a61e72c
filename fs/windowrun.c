/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/windowrun.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fs/attr.h"
#include "fs/base/array.h"
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/crash.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/gate.h"
#include "fs/htable.h"
#include "fs/windowpriv.h"
#include "fs/windowsum.h"

/*
 * Far:	everything is ignored; all files that are open for writing by
 *	passthrough are looked at, again and again, the sooner the nearer the
 *	nearest limit is.
 * Near:	every access is asked for, one at a time; what is granted is held
 *	in the ledger until the file's size shows that it is written, or its
 *	inode asks again (the kernel lets one writer of an inode in at a time).
 * Asleep:	nothing is open so, nothing is asked.
 *
 * The event is read into shared memory, where a successor finds it: its range
 * stands nowhere else. Its descriptor is what the kernel knows it by.
 *
 * Locks: none held over an answer, and nothing here waits for a request.
 */
#define STACK_BYTES (256 * 1024)
#define LOOK_NEAR (50 * CLOCK_MS)  /* ns between two looks */
#define LOOK_AGAIN (10 * CLOCK_MS) /* when something was missed: just made */
#define GRANTS 32u
#define GRANT_NS CLOCK_S /* a write that takes longer is not waited for */

struct event {
	struct fanotify_event_metadata meta;
	struct fanotify_event_info_range {
		struct fanotify_event_info_header head;
		uint32_t pad;
		uint64_t off, count;
	} range;
};

_Static_assert(sizeof(struct event) <= STATE_WINDOW_EVENT &&
		       2 * sizeof(struct event) > STATE_WINDOW_EVENT,
	       "one event is read at a time");

/* An inode that is open for writing by passthrough. */
struct open_file {
	uint64_t nodeid;
	dev_t dev;
	ino_t ino;
	struct charge_owner owner;
	bool append; /* some handle appends */
};

/* What was granted and may not be counted yet. */
struct grant {
	int fd; /* -1: free */
	uint64_t nodeid;
	dev_t dev;
	ino_t ino;
	uint64_t done; /* the size that shows it */
	uint64_t since;
	struct charge_hold hold;
};

struct windowrun {
	struct overlay *o;
	struct window *w;
	struct ledger *ledger;
	struct event *event; /* in shared memory */
	struct open_file *files;
	size_t n_files, room_files;
	uint64_t more; /* bytes that others are about to count */
	bool missed;   /* some more are, that could not be counted */
	struct grant grants[GRANTS];
	pthread_t thread;
	_Atomic bool over;
};

/* Counting what is open. */

static void note(void *ctx, const struct handle *h)
{
	struct windowrun *r = ctx;

	if (!h->pass || (h->flags & O_ACCMODE) == O_RDONLY)
		return;
	if (ARRAY_FIT(r->files, r->room_files, r->n_files + 1) < 0) {
		r->missed = true;
		return;
	}
	r->files[r->n_files++] = (struct open_file){
		.nodeid = h->nodeid,
		.append = h->flags & O_APPEND,
	};
}

static int by_nodeid(const void *a, const void *b)
{
	const struct open_file *x = a, *y = b;

	return x->nodeid < y->nodeid ? -1 : x->nodeid > y->nodeid;
}

static int by_ino(const void *a, const void *b)
{
	const struct open_file *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->dev < y->dev ? -1 : x->dev > y->dev;
}

/* Count it as it is now; false: it is not to be found. */
static bool count(struct windowrun *r, struct open_file *f)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;
	struct charge now;
	uint64_t more;
	struct stat st;
	OVERLAY_PIN(p, r->o);

	p.inode = itable_get(r->o->inodes, f->nodeid);
	if (!p.inode)
		return false;
	itable_view(r->o->inodes, p.inode, &v);
	if (!(v.flags & INODE_UPPER))
		return false;
	fd = attr_open_meta(r->o, &v, O_PATH);
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    gate_settle_quickly(r->o, p.inode, fd, &now, &more) < 0)
		return false;
	r->more += more;
	f->owner = now.owner;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return true;
}

/* All that are open for writing by passthrough, counted, by inode number. */
static void count_all(struct windowrun *r)
{
	size_t n = 0;

	r->n_files = 0;
	r->missed = false;
	r->more = 0;
	htable_each(r->o->handles, note, r);
	if (r->n_files == 0)
		return;
	qsort(r->files, r->n_files, sizeof(*r->files), by_nodeid);
	for (size_t i = 0; i < r->n_files; i++) {
		if (n > 0 && r->files[n - 1].nodeid == r->files[i].nodeid)
			r->files[n - 1].append |= r->files[i].append;
		else
			r->files[n++] = r->files[i];
	}
	r->n_files = n;
	n = 0;
	for (size_t i = 0; i < r->n_files; i++) {
		if (count(r, &r->files[i]))
			r->files[n++] = r->files[i];
		else
			r->missed = true;
	}
	r->n_files = n;
	if (n > 0)
		qsort(r->files, n, sizeof(*r->files), by_ino);
}

static uint64_t least_room(struct windowrun *r)
{
	uint64_t least = UINT64_MAX;
	int unused;

	for (size_t i = 0; i < r->n_files; i++) {
		uint64_t room =
			charge_room(r->ledger, r->files[i].owner, &unused);

		if (room < least)
			least = room;
	}
	if (least == UINT64_MAX)
		return least;
	return least > r->more ? least - r->more : 0;
}

static const struct open_file *find(const struct windowrun *r,
				    const struct stat *st)
{
	const struct open_file key = { .dev = st->st_dev, .ino = st->st_ino };

	if (r->n_files == 0)
		return NULL;
	return bsearch(&key, r->files, r->n_files, sizeof(key), by_ino);
}

static void turn(struct windowrun *r, bool asks)
{
	int err = windowpriv_ask(r->w, asks);

	if (err < 0)
		log_error("quota-window: %s", strerror(-err));
	else
		log_debug("quota-window: %s", asks ? "near" : "far");
}

/* Answering. */

static void settle(struct windowrun *r, uint64_t nodeid, int fd)
{
	OVERLAY_PIN(p, r->o);

	p.inode = nodeid ? itable_get(r->o->inodes, nodeid) : NULL;
	if (p.inode)
		gate_settle(r->o, p.inode, fd);
}

static void grant_end(struct windowrun *r, struct grant *g)
{
	settle(r, g->nodeid, g->fd);
	charge_release(r->ledger, &g->hold);
	close(g->fd);
	g->fd = -1;
}

/* What is written by now is counted. Returns a free one, the oldest if need. */
static struct grant *end_grants(struct windowrun *r, const struct stat *st)
{
	struct grant *oldest = &r->grants[0];
	uint64_t now = clock_now();

	for (unsigned i = 0; i < GRANTS; i++) {
		struct grant *g = &r->grants[i];
		struct stat is;

		if (g->fd >= 0 &&
		    ((st && g->dev == st->st_dev && g->ino == st->st_ino) ||
		     fstat(g->fd, &is) < 0 || (uint64_t)is.st_size >= g->done ||
		     now - g->since > GRANT_NS))
			grant_end(r, g);
		if (oldest->fd >= 0 && (g->fd < 0 || g->since < oldest->since))
			oldest = g;
	}
	return oldest;
}

static void end_all(struct windowrun *r)
{
	for (unsigned i = 0; i < GRANTS; i++) {
		if (r->grants[i].fd >= 0)
			grant_end(r, &r->grants[i]);
	}
}

/*
 * 0 and, if it grows the file, a grant that takes the event's descriptor; or
 * the error to refuse it with. What was allocated beyond the end is there.
 */
static int decide(struct windowrun *r, const struct event *e,
		  struct grant **taken)
{
	const struct open_file *f;
	struct grant *g;
	struct windowsum_write ask;
	struct charge_want want = { .space = 0 };
	struct charge now;
	struct stat st;
	int err;

	if (fstat(e->meta.fd, &st) < 0 || gate_look(r->o, e->meta.fd, &now) < 0)
		return 0;
	f = find(r, &st);
	ask = (struct windowsum_write){ .size = (uint64_t)st.st_size,
					.off = e->range.off,
					.count = e->range.count,
					.block = gate_fs(r->o->gate)->block,
					.append = f && f->append };
	want = (struct charge_want){ .owner = now.owner,
				     .space = windowsum_wants(&ask) };
	if (want.space == 0 || !charge_is_limited(r->ledger, now.owner) ||
	    now.space >= ask.size + want.space || windowsum_reads(e->meta.pid))
		return 0;
	g = end_grants(r, &st);
	if (g->fd >= 0)
		grant_end(r, g);
	settle(r, f ? f->nodeid : 0, e->meta.fd);
	err = charge_reserve(r->ledger, &want, 1, &g->hold);
	if (err < 0)
		return -err;
	*g = (struct grant){ .fd = e->meta.fd,
			     .nodeid = f ? f->nodeid : 0,
			     .dev = st.st_dev,
			     .ino = st.st_ino,
			     .done = windowsum_done(&ask),
			     .since = clock_now(),
			     .hold = g->hold };
	*taken = g;
	return 0;
}

static void answer(struct windowrun *r)
{
	struct event *e = r->event;
	int fd = e->meta.fd, err = 0, sent;
	struct fanotify_response say = { .fd = fd };
	struct grant *grant = NULL;

	CRASH_POINT(WINDOW_ASKED);
	if (e->meta.mask & FAN_PRE_ACCESS && fd >= 0 &&
	    e->range.head.info_type == FAN_EVENT_INFO_TYPE_RANGE)
		err = decide(r, e, &grant);
	say.response = err ? WINDOWPRIV_DENY(err) : FAN_ALLOW;
	sent = fd >= 0 ? (int)write(r->w->group, &say, sizeof(say)) : 0;
	CRASH_POINT(WINDOW_ANSWERED);
	e->meta.event_len = 0;
	if (grant && sent < 0)
		grant_end(r, grant); /* it was killed, or has its answer */
	else if (!grant && fd >= 0)
		close(fd);
}

static bool next(struct windowrun *r)
{
	ssize_t n = read(r->w->group, r->event, STATE_WINDOW_EVENT);

	if (n >= (ssize_t)sizeof(r->event->meta))
		return true;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		log_error("quota-window: %s", strerror(errno));
	return false;
}

/* Looking. */

/* When to look again, ns from now; UINT64_MAX: when somebody rings. */
static uint64_t look(struct windowrun *r, bool first)
{
	uint64_t began = clock_now(), room, took, pause;
	bool asks = window_asks(r->w), near;

	/* Before looking: who comes later rings. */
	atomic_store(&r->w->asleep, true);
	count_all(r);
	if (r->n_files > 0 || r->missed)
		atomic_store(&r->w->asleep, false);
	room = least_room(r);
	took = clock_now() - began;
	near = room <= windowsum_near(r->w->size, took, asks);
	if (asks && !near)
		end_all(r);
	if (near != asks || first)
		turn(r, near);
	if (near && !asks)
		return 0; /* who wrote until now is counted */
	if (near)
		return LOOK_NEAR;
	pause = r->n_files > 0 ? windowsum_pause(room) : UINT64_MAX;
	return r->missed && pause > LOOK_AGAIN ? LOOK_AGAIN : pause;
}

/* The thread. */

/* On a busy machine too: who is late has let others write. */
static void come_first(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first) < 0 &&
	    setpriority(PRIO_PROCESS, (id_t)gettid(), -20) < 0)
		log_debug("quota-window: no priority: %s", strerror(errno));
}

#define BATCH 64 /* answers between two looks at the clock */

static void *run(void *arg)
{
	struct windowrun *r = arg;
	struct pollfd p[] = { { .fd = r->w->group, .events = POLLIN },
			      { .fd = r->w->bell, .events = POLLIN } };
	uint64_t due = 0, now, pause, n;
	struct timespec t;
	bool first = true;

	come_first();
	while (!atomic_load(&r->over)) {
		now = clock_now();
		if (now >= due) {
			/* Far, nothing may be waited for. */
			if (window_asks(r->w))
				end_grants(r, NULL);
			pause = look(r, first);
			due = pause < UINT64_MAX ? now + pause : UINT64_MAX;
			atomic_store(&r->w->due, due);
			if (first && r->event->meta.event_len)
				answer(r);
			first = false;
			continue;
		}
		t = (struct timespec){ (time_t)((due - now) / CLOCK_S),
				       (long)((due - now) % CLOCK_S) };
		if (ppoll(p, ARRAY_SIZE(p), due < UINT64_MAX ? &t : NULL,
			  NULL) <= 0)
			continue;
		if (p[1].revents && read(r->w->bell, &n, sizeof(n)) > 0)
			due = 0;
		for (int i = 0; i < BATCH && p[0].revents && next(r); i++)
			answer(r);
	}
	return NULL;
}

static void windowrun_free(struct windowrun *r)
{
	if (r->w->bell >= 0)
		close(r->w->bell);
	r->w->bell = -1;
	free(r->files);
	free(r);
}

int windowrun_start(struct windowrun **out, struct overlay *o, struct state *s)
{
	struct windowrun *r;
	pthread_attr_t attr;
	int err = 0;

	*out = NULL;
	if (!o->window)
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->o = o;
	r->w = o->window;
	r->ledger = gate_ledger(o->gate);
	r->event = (struct event *)(void *)s->window_event;
	for (unsigned i = 0; i < GRANTS; i++)
		r->grants[i].fd = -1;
	r->w->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->w->bell < 0)
		err = -errno;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (err == 0)
		err = -pthread_create(&r->thread, &attr, run, r);
	pthread_attr_destroy(&attr);
	if (err < 0) {
		windowrun_free(r);
		return err;
	}
	*out = r;
	return 0;
}

void windowrun_stop(struct windowrun *r)
{
	if (!r)
		return;
	atomic_store(&r->over, true);
	windowpriv_ring(r->w);
	pthread_join(r->thread, NULL);
	end_all(r);
	windowrun_free(r);
}

int windowrun_pending(const struct state *s)
{
	const struct event *e = (const void *)s->window_event;

	return e->meta.event_len ? e->meta.fd : -1;
}
