/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/gate.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/crash.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/late.h"
#include "fs/override.h"
#include "fs/slot.h"

/*
 * `turn` is held for reading by every pass, once a thread, for writing by one
 * that must be alone. A stripe's lock makes looking at an inode and counting what was seen
 * one step: of two that changed it, the later look is counted last.
 *
 * Lock order: turn -> stripe -> the ledger's own. An inode's lock may be held
 * when a stripe is taken, never the other way round.
 *
 * Crashes: an operation is done again by our successor, and counted at its
 * end; what is counted is what the filesystem says, so counting twice does no
 * harm. What it had changed already is counted before anybody asks for more.
 * A new inode is counted once by the mark of its request.
 */
#define STRIPES 64u
#define DYING_TRIES 40	     /* times DYING_PAUSE: 40 ms */
#define DYING_PAUSE CLOCK_MS /* ns */

struct gate {
	struct ledger *ledger;
	struct footprint_fs fs;
	pthread_rwlock_t turn;
	struct lock stripes[STRIPES];
	struct lock ends;
	struct late *late;   /* NULL: nothing is late here */
	_Atomic bool doomed; /* something was removed lately */
	_Atomic bool host;   /* keeps the container's limit on space */
	_Atomic bool moved;  /* a directory was, lately */
};

/* How deep this thread is inside; whether it is refused nothing. */
static __thread unsigned depth, forced;
/* What it was refused with here. */
static __thread int said;

/* Making. */

static void make_turn(struct gate *g)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&g->turn, &attr);
	pthread_rwlockattr_destroy(&attr);
}

int gate_new(struct gate **out, struct ledger *l, int upperfd)
{
	struct gate *g = calloc(1, sizeof(*g));
	int r = g ? footprint_fs(upperfd, &g->fs) : -ENOMEM;

	if (r < 0) {
		ledger_free(l);
		free(g);
		return r;
	}
	g->ledger = l;
	g->late = g->fs.late ? late_new() : NULL;
	make_turn(g);
	*out = g;
	return 0;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	ledger_free(g->ledger);
	late_free(g->late);
	pthread_rwlock_destroy(&g->turn);
	free(g);
}

struct ledger *gate_ledger(const struct gate *g)
{
	return g->ledger;
}

const struct footprint_fs *gate_fs(const struct gate *g)
{
	return &g->fs;
}

int gate_begin(struct gate *g)
{
	make_turn(g);
	memset(g->stripes, 0, sizeof(g->stripes));
	memset(&g->ends, 0, sizeof(g->ends));
	return ledger_recover(g->ledger);
}

/* Going in and out. */

static void enter(struct gate_pass *p, bool alone)
{
	if (p->inside)
		return;
	p->inside = true;
	if (depth++ > 0)
		return;
	if (alone)
		pthread_rwlock_wrlock(&p->o->gate->turn);
	else
		pthread_rwlock_rdlock(&p->o->gate->turn);
}

static void go_out(struct gate_pass *p)
{
	p->inside = false;
	if (--depth == 0)
		pthread_rwlock_unlock(&p->o->gate->turn);
}

/* What an inode takes. */

static struct lock *stripe(struct overlay *o, const struct inode *i)
{
	return &o->gate->stripes[itable_index(o->inodes, i) % STRIPES];
}

/* The row that goes with it; false: it has none. */
static bool row_of(struct overlay *o, const struct inode *i, uint32_t *row)
{
	if (!o->gate || (itable_flags(o->inodes, i) & INODE_SPLIT))
		return false;
	*row = itable_index(o->inodes, i);
	return true;
}

int gate_look(struct overlay *o, int fd, struct charge *out)
{
	struct stat st;
	int r = fdio_stat(fd, &st);

	if (r == 0 && o->opts->xattr_permissions)
		r = override_read(fd, &st);
	if (r < 0)
		return r;
	out->owner = (struct charge_owner){ st.st_uid, st.st_gid };
	out->space = footprint_of(&o->gate->fs, &st, fd);
	out->ino = st.st_ino;
	return 0;
}

int gate_know(struct overlay *o, struct inode *i, int fd)
{
	GATE_PASS(pass, o);
	struct charge c;
	uint32_t row;
	int r = 0;

	if (!row_of(o, i, &row) || charge_row(o->gate->ledger, row, &c))
		return 0;
	/* Nothing becomes known while all is stopped. */
	enter(&pass, false);
	lock_acquire(stripe(o, i));
	if (!charge_row(o->gate->ledger, row, &c)) {
		r = gate_look(o, fd, &c);
		if (r == 0)
			charge_know(o->gate->ledger, row, &c);
	}
	lock_release(stripe(o, i));
	return r;
}

void gate_moves(struct overlay *o, struct inode *i)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;

	if (!o->gate || !i || !charge_is_recounted(o->gate->ledger))
		return;
	itable_view(o->inodes, i, &v);
	fd = S_ISDIR(v.type) ? -1 : attr_open_meta(o, &v, O_PATH);
	if (fd < 0 || gate_know(o, i, fd) < 0)
		atomic_store(&o->gate->moved, true);
}

bool gate_moved(struct gate *g)
{
	return atomic_exchange(&g->moved, false);
}

static void not_counted(int r)
{
	if (r < 0)
		log_error("a change is not in the quota: %s; 'vefs quota "
			  "check --fix' sets it right",
			  strerror(-r));
}

void gate_settle(struct overlay *o, struct inode *i, int fd)
{
	struct charge c;
	uint32_t row;
	int r;

	if (!row_of(o, i, &row))
		return;
	lock_acquire(stripe(o, i));
	r = gate_look(o, fd, &c);
	if (r == 0)
		r = charge_settle(o->gate->ledger, row, &c);
	lock_release(stripe(o, i));
	not_counted(r);
}

int gate_settle_quickly(struct overlay *o, struct inode *i, int fd,
			struct charge *out, uint64_t *more)
{
	struct lock *stripe_lock;
	struct charge c;
	struct stat st;
	uint64_t before;
	uint32_t row;
	bool mine;
	int r;

	if (!row_of(o, i, &row))
		return -ENOENT;
	stripe_lock = stripe(o, i);
	mine = lock_try(stripe_lock);
	r = charge_row(o->gate->ledger, row, &c) ? fdio_stat(fd, &st) : -ENOENT;
	if (r == 0) {
		before = c.space;
		c.space = footprint_grown(&o->gate->fs, &st, before);
		*more = !mine && c.space > before ? c.space - before : 0;
		*out = c;
	}
	if (r == 0 && mine)
		r = charge_settle(o->gate->ledger, row, &c);
	if (mine)
		lock_release(stripe_lock);
	return r;
}

/* A copy-up is settled by its successor, and counted there if it was not. */
void gate_born(struct overlay *o, struct inode *i, int fd)
{
	uint32_t row, mark = CHARGE_NO_MARK;
	struct charge c = { .space = 0 };
	int r;

	if (!row_of(o, i, &row))
		return;
	if (itable_flags(o->inodes, i) & INODE_UNLINKED)
		mark = CHARGE_DOOMED;
	lock_acquire(stripe(o, i));
	r = gate_look(o, fd, &c);
	if (r == 0)
		r = charge_born(o->gate->ledger, row, &c, mark, 0);
	lock_release(stripe(o, i));
	if (c.space)
		gate_late(o, i);
	not_counted(r);
}

void gate_created(struct overlay *o, struct inode *i, const struct stat *st)
{
	struct charge c = { .owner = { st->st_uid, st->st_gid },
			    .space = (uint64_t)st->st_blocks * 512,
			    .ino = st->st_ino };
	const struct slot *s = slot_current();
	uint32_t row;

	if (!row_of(o, i, &row))
		return;
	lock_acquire(stripe(o, i));
	not_counted(charge_born(o->gate->ledger, row, &c,
				s ? slot_index(s) : CHARGE_NO_MARK,
				s ? s->unique : 0));
	lock_release(stripe(o, i));
}

void gate_doom(struct overlay *o, struct inode *i, bool doomed)
{
	uint32_t row;

	if (!row_of(o, i, &row))
		return;
	if (doomed)
		late_drop(o, i);
	charge_doom(o->gate->ledger, row, doomed);
	atomic_store(&o->gate->doomed, doomed);
}

void gate_dying(struct overlay *o)
{
	if (o->gate)
		atomic_store(&o->gate->doomed, true);
}

/*
 * The last look at a file that was changed. Where its blocks are found only
 * when it is written back, that begins now.
 */
static void look_last(struct overlay *o, struct inode *i)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;

	itable_view(o->inodes, i, &v);
	if (!S_ISREG(v.type) || !(v.flags & INODE_UPPER) ||
	    (v.flags & INODE_UNLINKED))
		return;
	fd = attr_open_meta(o, &v, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return;
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	gate_settle(o, i, fd);
}

void gate_gone(struct overlay *o, struct inode *i)
{
	struct charge_owner owner;

	if (!o->gate)
		return;
	if (o->gate->fs.late && gate_owner(o, i, &owner))
		look_last(o, i);
	lock_acquire(&o->gate->ends);
	charge_forget(o->gate->ledger, itable_index(o->inodes, i));
	lock_release(&o->gate->ends);
}

static void look(struct overlay *o, struct inode *i)
{
	_cleanup_close_ int fd = -1;
	struct itable_view v;

	itable_view(o->inodes, i, &v);
	fd = v.flags & INODE_UPPER ? attr_open_meta(o, &v, O_PATH) : -1;
	if (fd >= 0)
		gate_settle(o, i, fd);
}

/*
 * A row whose inode was on its way out when our predecessor died; or one that
 * it may have kept, we know not how long.
 */
static void take_over(void *ctx, uint32_t row)
{
	struct overlay *o = ctx;
	struct inode *i = itable_get_index(o->inodes, row);

	if (i)
		gate_late(o, i);
	else
		charge_forget(o->gate->ledger, row);
	itable_unpin(o->inodes, i);
}

bool gate_owner(struct overlay *o, struct inode *i, struct charge_owner *out)
{
	struct charge c;
	uint32_t row;

	if (!row_of(o, i, &row) || !charge_row(o->gate->ledger, row, &c))
		return false;
	*out = c.owner;
	return true;
}

bool gate_is_limited(struct overlay *o, struct inode *i)
{
	struct charge_owner owner;

	if (!gate_owner(o, i, &owner))
		return false;
	if (atomic_load(&o->gate->host))
		return charge_is_limited_inside(o->gate->ledger, owner);
	return charge_is_limited(o->gate->ledger, owner);
}

void gate_host_keeps_space(struct gate *g, bool does)
{
	atomic_store(&g->host, does);
}

/* What is refused, on its way out. */
static int refused(int r)
{
	said = r;
	return r;
}

int gate_said(void)
{
	return said;
}

void gate_say_nothing(void)
{
	said = 0;
}

int gate_may_move(const struct overlay *o, struct charge_owner from,
		  struct charge_owner to, uint64_t space)
{
	return refused(charge_may_move(o->gate->ledger, from, to, space));
}

uint64_t gate_round(const struct overlay *o, uint64_t bytes)
{
	uint64_t block = o->gate ? o->gate->fs.block : 1;

	return (bytes + block - 1) / block * block;
}

uint64_t gate_name_space(const struct overlay *o)
{
	return o->gate && o->gate->fs.dirs_grow ? o->gate->fs.block : 0;
}

/* What our predecessor had changed and not counted. */
static void count_changed(void *ctx, uint32_t row)
{
	struct overlay *o = ctx;
	struct inode *i = itable_get_index(o->inodes, row);

	if (i)
		look(o, i);
	itable_unpin(o->inodes, i);
}

void gate_recover(struct overlay *o, struct slot_table *slots)
{
	if (!o->gate)
		return;
	slot_each_changed(slots, count_changed, o);
	charge_each_row(o->gate->ledger, take_over, o);
}

/* Passes. */

bool gate_forced_begin(void)
{
	forced++;
	return true;
}

void gate_forced_end(const bool *unused)
{
	(void)unused;
	forced--;
}

int gate_watch(struct gate_pass *p, struct inode *i, int fd)
{
	int r;

	if (!p->o->gate)
		return 0;
	r = gate_know(p->o, i, fd);
	if (r == 0 && p->n_watched < GATE_WATCHED) {
		p->watched[p->n_watched++] = (struct gate_watched){ i, fd };
		slot_change(itable_index(p->o->inodes, i));
	}
	return r;
}

/*
 * What was removed a moment ago is free when the kernel says that nobody has
 * it any more, which comes on its own time.
 */
bool gate_wait(struct gate_pass *p, unsigned *tries)
{
	const struct timespec pause = { .tv_nsec = (long)DYING_PAUSE };

	if (*tries == 0 && !atomic_exchange(&p->o->gate->doomed, false))
		return false;
	if ((*tries)++ == DYING_TRIES)
		return false;
	/* A close must get by. */
	go_out(p);
	nanosleep(&pause, NULL);
	enter(p, true);
	return true;
}

uint64_t gate_room(struct gate_pass *p, struct charge_owner owner)
{
	int unused;

	return charge_room(p->o->gate->ledger, owner, &unused);
}

int gate_refuse(struct gate_pass *p, const struct charge_want *want)
{
	int r = charge_reserve(p->o->gate->ledger, want, 1, &p->hold);

	return refused(r < 0 ? r : -ENOSPC);
}

int gate_enter_quickly(struct gate_pass *p, const struct charge_want *want,
		       unsigned n)
{
	int r;

	if (!p->o->gate)
		return 0;
	enter(p, false);
	if (n == 0 || forced)
		return 0;
	r = charge_reserve(p->o->gate->ledger, want, n, &p->hold);
	if (r < 0)
		go_out(p);
	return r;
}

int gate_enter(struct gate_pass *p, const struct charge_want *want, unsigned n)
{
	unsigned tries = 0;
	int r = gate_enter_quickly(p, want, n);

	if (r == 0)
		return 0;
	enter(p, true);
	do
		r = charge_reserve(p->o->gate->ledger, want, n, &p->hold);
	while (r < 0 && gate_wait(p, &tries));
	if (r < 0)
		go_out(p);
	return refused(r);
}

int gate_enter_alone(struct gate_pass *p)
{
	if (p->o->gate)
		enter(p, true);
	return 0;
}

void gate_stop(struct gate *g)
{
	pthread_rwlock_wrlock(&g->turn);
}

void gate_go_on(struct gate *g)
{
	pthread_rwlock_unlock(&g->turn);
}

struct lock *gate_ends(struct gate *g)
{
	return &g->ends;
}

int gate_look_late(struct overlay *o)
{
	return o->gate->late ? late_look(o, o->gate->late, look) : -1;
}

void gate_late(struct overlay *o, struct inode *i)
{
	if (!o->gate->late || (itable_flags(o->inodes, i) & INODE_UNLINKED))
		return;
	late_add(o, o->gate->late, i);
	/* Whoever takes its last name lets go of it after saying so. */
	if (itable_flags(o->inodes, i) & INODE_UNLINKED)
		late_drop(o, i);
}

void gate_leave(struct gate_pass *p)
{
	if (p->n_watched > 0)
		CRASH_POINT(GATE_CHANGED);
	for (unsigned k = 0; k < p->n_watched; k++) {
		gate_settle(p->o, p->watched[k].inode, p->watched[k].fd);
		slot_counted(itable_index(p->o->inodes, p->watched[k].inode));
	}
	p->n_watched = 0;
	if (!p->inside)
		return;
	charge_release(p->o->gate->ledger, &p->hold);
	go_out(p);
}
