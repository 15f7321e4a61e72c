/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/recover.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "fs/backing.h"
#include "fs/base/array.h"
#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/creds.h"
#include "fs/base/log.h"
#include "fs/copyup.h"
#include "fs/fusewire.h"
#include "fs/gate.h"
#include "fs/hostlimit.h"
#include "fs/htable.h"
#include "fs/itablerecover.h"
#include "fs/itableset.h"
#include "fs/windowrun.h"

/*
 * The order matters. Tables first, from the slots whose answer was decided;
 * then what the tables do not name goes: descriptors, leftovers in work,
 * backing ids. Decided answers are sent before the kernel is asked to send
 * again, or it would ask for these too: sent now, or refused with ENOENT
 * because they had arrived. What it then sends again comes before anything
 * new, marked, and is read until the mark is missing. A slot that nobody asks
 * for any more had been answered. What may have made an inode that is not
 * counted is done before anybody may ask for the room that it has.
 *
 * Being killed in the middle is nothing new: each step may be done again.
 */
struct waiting {
	STAILQ_ENTRY(waiting) entry;
	uint64_t unique;
	size_t len;
	int fd;
	unsigned char bytes[] __attribute__((aligned(8)));
};

struct recover_backlog {
	pthread_mutex_t lock;
	STAILQ_HEAD(, waiting) list;
};

/* Tables. */

static bool keep_handle(void *ctx, const struct handle *h)
{
	struct overlay *o = ctx;
	OVERLAY_PIN(p, o);

	p.inode = itable_get(o->inodes, h->nodeid);
	if (!p.inode)
		return false;
	if (h->pass)
		p.inode->n_pass++;
	else
		p.inode->n_cached++;
	return true;
}

static void settle_inode(void *ctx, struct inode *i)
{
	struct overlay *o = ctx;
	uint32_t flags = itable_flags(o->inodes, i);
	bool idle;
	int r;

	if (flags & INODE_MOVING) {
		r = copyup_settle(o, i);
		if (r < 0)
			log_error("an interrupted copy-up stays so: %s",
				  strerror(-r));
	}
	lock_acquire(&i->lock);
	idle = i->n_pass == 0 && itableset_backing_get_locked(o->inodes, i) > 0;
	lock_release(&i->lock);
	if (idle && (flags & INODE_UNLINKED))
		backing_forget_idle(o, i);
	else if (idle)
		backing_idle(o, i);
}

/* Descriptors. */

struct fd_list {
	int *fds;
	size_t n, room;
	bool failed;
};

static void note_fd(void *ctx, int fd)
{
	struct fd_list *l = ctx;

	if (fd < 0 || l->failed)
		return;
	if (ARRAY_FIT(l->fds, l->room, l->n + 1) < 0) {
		l->failed = true;
		return;
	}
	l->fds[l->n++] = fd;
}

static void note_pin(void *ctx, struct slot *s)
{
	note_fd(ctx, s->note.pin - 1);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : 1;
}

/* Close what the last worker had open and nothing names. */
static int sweep_fds(struct overlay *o, struct slot_table *slots, int own,
		     const struct state *state)
{
	struct fd_list l = { .fds = NULL };
	unsigned from = (unsigned)state->fd_floor;

	note_fd(&l, own);
	note_fd(&l, windowrun_pending(state));
	for (unsigned i = 0; i < o->n_layers; i++) {
		if (o->layers[i])
			note_fd(&l, o->layers[i]->own_fd);
	}
	htable_fds(o->handles, note_fd, &l);
	itablerecover_fds(o->inodes, note_fd, &l);
	slot_each(slots, SLOT_EXEC, note_pin, &l);
	if (l.failed) {
		free(l.fds);
		return -ENOMEM;
	}
	if (l.n > 0)
		qsort(l.fds, l.n, sizeof(*l.fds), by_number);
	for (size_t i = 0; i < l.n; i++) {
		unsigned fd = (unsigned)l.fds[i];

		if (fd > from)
			close_range(from, fd - 1, 0);
		if (fd >= from)
			from = fd + 1;
	}
	close_range(from, ~0u, 0);
	free(l.fds);
	return 0;
}

static int recover_tables(struct overlay *o, struct slot_table *slots,
			  struct fuse_server *server, const struct state *state)
{
	int r = itablerecover(o->inodes);

	if (r < 0)
		return r;
	slot_redo(slots, o);
	/* Looks at inodes: one that an answer is about to name must be held. */
	gate_recover(o, slots);
	htable_recover(o->handles, keep_handle, o);
	itablerecover_drop(o->inodes);
	CRASH_POINT(RECOVER_REDONE);
	r = sweep_fds(o, slots, fuse_server_fd(server), state);
	if (r == 0 && o->upper)
		r = upper_sweep(o->upper);
	if (r < 0)
		return r;
	backing_recover(o, state->slots);
	itablerecover_each(o->inodes, settle_inode, o);
	CRASH_POINT(RECOVER_SWEPT);
	return 0;
}

/* Requests. */

static void replay(void *ctx, struct slot *s)
{
	(void)ctx;
	if (write(s->fd, s->reply, s->reply_len) < 0 && errno != ENOENT)
		log_debug("a stored answer: %s", strerror(errno));
	atomic_store(&s->state, SLOT_FREE);
}

static int put_off(struct recover_backlog *b, uint64_t unique,
		   const void *request, size_t len, int fd)
{
	struct waiting *w = malloc(sizeof(*w) + len);

	if (!w)
		return -ENOMEM;
	w->unique = unique;
	w->len = len;
	w->fd = fd;
	memcpy(w->bytes, request, len);
	STAILQ_INSERT_TAIL(&b->list, w, entry);
	return 0;
}

/* Read what is sent again, and one that is not. */
static int drain(struct fuse_server *server, int fd, struct recover_backlog *b)
{
	_cleanup_free_ void *buf = malloc(FUSE_REQUEST_MAX);
	struct fusewire_request q;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	memset(buf, 0, FUSE_REQUEST_MAX); /* in memory before it is read into */
	do {
		ssize_t n = read(fd, buf, FUSE_REQUEST_MAX);

		if (n < 0 && (errno == EINTR || errno == ENOENT)) {
			q.again = true;
			continue;
		}
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (!fusewire_parse(buf, (size_t)n, &q))
			return -EPROTO;
		if (fusewire_is_silent(q.opcode)) {
			fuse_server_handle(server, buf, (size_t)n, fd);
			q.again = true;
		} else {
			r = put_off(b, q.unique, buf, (size_t)n, fd);
		}
	} while (r == 0 && q.again);
	return r;
}

static void drop_answered(void *ctx, struct slot *s)
{
	const struct recover_backlog *b = ctx;
	const struct waiting *w;

	STAILQ_FOREACH(w, &b->list, entry)
	{
		if (w->unique == s->unique)
			return;
	}
	if (s->note.pin)
		close(s->note.pin - 1);
	s->note.pin = 0;
	atomic_store(&s->state, SLOT_FREE);
}

/* What makes an inode, as far as its effect, or nearly. */
struct makers {
	struct fuse_server *server;
	struct recover_backlog *backlog;
};

static void make_first(void *ctx, struct slot *s)
{
	const struct makers *m = ctx;
	struct waiting *w;

	if (s->note.kind != SLOT_VACANT && s->note.kind != SLOT_MOVE)
		return;
	STAILQ_FOREACH(w, &m->backlog->list, entry)
	{
		if (w->unique == s->unique)
			break;
	}
	if (!w)
		return;
	STAILQ_REMOVE(&m->backlog->list, w, waiting, entry);
	fuse_server_handle(m->server, w->bytes, w->len, w->fd);
	free(w);
}

/*
 * These were granted: none of them asks again. As a thread of the loop's does
 * it, but with the umask that the other threads will have from us.
 */
static void redo_makers(struct overlay *o, struct slot_table *slots,
			struct fuse_server *server, struct recover_backlog *b)
{
	struct makers m = { server, b };
	mode_t mask = umask(0);
	int r = creds_thread_init();

	if (r < 0)
		log_debug("making inodes: %s", strerror(-r));
	/* What the host keeps it may have to lend. */
	hostlimit_update(o);
	slot_each(slots, SLOT_EXEC, make_first, &m);
	umask(mask);
	CRASH_POINT(RECOVER_MADE);
}

static int recover_requests(struct slot_table *slots,
			    struct fuse_server *server,
			    const struct state *state,
			    struct recover_backlog *b)
{
	int r;

	slot_each(slots, SLOT_APPLIED, replay, NULL);
	CRASH_POINT(RECOVER_REPLAYED);
	r = fusewire_resend(state->fd);
	CRASH_POINT(RECOVER_RESENT);
	if (r == 0)
		r = drain(server, state->fd_busy, b);
	CRASH_POINT(RECOVER_DRAINED);
	if (r == 0)
		slot_each(slots, SLOT_EXEC, drop_answered, b);
	return r == -ENOTCONN || r == -ECONNABORTED ? -ENODEV : r;
}

int recover(struct overlay *o, struct slot_table *slots,
	    struct fuse_server *server, const struct state *state,
	    struct recover_backlog **backlog)
{
	struct recover_backlog *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	pthread_mutex_init(&b->lock, NULL);
	STAILQ_INIT(&b->list);
	CRASH_POINT(RECOVER_BEGUN);
	r = recover_tables(o, slots, server, state);
	if (r == 0)
		r = recover_requests(slots, server, state, b);
	if (r == 0 && o->gate)
		redo_makers(o, slots, server, b);
	if (r < 0) {
		recover_backlog_free(b);
		return r;
	}
	*backlog = b;
	return 0;
}

size_t recover_next(struct recover_backlog *b, void *request, int *fd)
{
	struct waiting *w;
	size_t len = 0;

	pthread_mutex_lock(&b->lock);
	w = STAILQ_FIRST(&b->list);
	if (w)
		STAILQ_REMOVE_HEAD(&b->list, entry);
	pthread_mutex_unlock(&b->lock);
	if (w) {
		len = w->len;
		*fd = w->fd;
		memcpy(request, w->bytes, len);
		free(w);
	}
	return len;
}

void recover_backlog_free(struct recover_backlog *b)
{
	struct waiting *w;

	if (!b)
		return;
	while ((w = STAILQ_FIRST(&b->list)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->list, entry);
		free(w);
	}
	pthread_mutex_destroy(&b->lock);
	free(b);
}
