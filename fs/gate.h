/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_GATE_H
#define VEFS_FS_GATE_H

/*
 * gate - whatever makes upper grow passes here first, and is counted after.
 *
 *	GATE_PASS(p, o);
 *	r = gate_watch(&p, inode, fd);		what will change
 *	r = gate_enter(&p, wants, n);		may it?
 *	...the change...
 *					the scope ends: what it takes is counted
 *
 * An overlay without a quota (o->gate NULL) lets everything through and counts
 * nothing. Who is inside already may enter again, to change what is never
 * refused; nothing else: no copy-up begins inside.
 *
 * Exactness: what is asked for is the most that may be taken, so many passes
 * at once never exceed a limit. Near a limit, where that would refuse too
 * early, a pass is let in alone and knows exactly.
 *
 * Errors of gate_enter(): -ENOSPC, the container is full; -EDQUOT, a user or
 * a group may have no more.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fs/overlay.h"
#include "quota/charge.h"
#include "quota/footprint.h"

#define GATE_WATCHED 3u

struct gate;
struct lock;
struct slot_table;

/* The quota of a mount. The ledger is taken. -errno, and it is freed. */
int gate_new(struct gate **out, struct ledger *l, int upperfd);
void gate_free(struct gate *g);
struct ledger *gate_ledger(const struct gate *g);
const struct footprint_fs *gate_fs(const struct gate *g);
/* In each worker, before it serves. */
int gate_begin(struct gate *g);
/*
 * From _stop to _go_on nothing in upper grows, shrinks or comes and goes, but
 * what has no name may end: not while this lock is held, too, as briefly as
 * can be. Only the ledger's may be taken then.
 */
void gate_stop(struct gate *g);
void gate_go_on(struct gate *g);
struct lock *gate_ends(struct gate *g);

struct gate_pass {
	struct overlay *o;
	struct charge_hold hold;
	struct gate_watched {
		struct inode *inode;
		int fd;
	} watched[GATE_WATCHED]; /* borrowed */
	unsigned n_watched;
	bool inside;
};

void gate_leave(struct gate_pass *p);
#define GATE_PASS(name, overlay)                                               \
	__attribute__((cleanup(                                                \
		gate_leave))) struct gate_pass name = { .o = (overlay) }

/*
 * The upper inode of `i`, which `fd` (O_PATH is enough) names until the pass
 * ends, is about to change.
 */
int gate_watch(struct gate_pass *p, struct inode *i, int fd);

/*
 * Ask for what a change may take at most. With n 0, or inside GATE_FORCED,
 * nothing is refused: what frees or hides.
 */
int gate_enter(struct gate_pass *p, const struct charge_want *want, unsigned n);
/* Ask once; refused, the pass has not entered: it may try alone. */
int gate_enter_quickly(struct gate_pass *p, const struct charge_want *want,
		       unsigned n);
/* Without asking, alone: nobody else is inside until the pass ends. */
int gate_enter_alone(struct gate_pass *p);

/*
 * For a pass that is alone: how much an owner may take now; whether to look
 * again, because something removed may be free by now (*tries begins at 0;
 * others have been inside meanwhile); and
 * the error, told to whom it concerns, of what does not fit.
 */
uint64_t gate_room(struct gate_pass *p, struct charge_owner owner);
bool gate_wait(struct gate_pass *p, unsigned *tries);
int gate_refuse(struct gate_pass *p, const struct charge_want *want);

/* In this scope this thread's copy-ups and names are never refused. */
void gate_forced_end(const bool *unused);
bool gate_forced_begin(void);
#define GATE_FORCED()                                                          \
	__attribute__((cleanup(gate_forced_end), unused)) bool gate_forced_ =  \
		gate_forced_begin()

/* What an upper inode takes now, as disk ids. 0 or -errno. */
int gate_look(struct overlay *o, int fd, struct charge *out);

/* Before an upper inode changes; nothing is done if it is known. */
int gate_know(struct overlay *o, struct inode *i, int fd);
/*
 * It gets another name, or its name goes elsewhere; inside a pass. And: has
 * that happened to a directory, or to what could not be looked at, since
 * somebody asked? Only told while usage is counted anew (quotarecount.h).
 */
void gate_moves(struct overlay *o, struct inode *i);
bool gate_moved(struct gate *g);
/* It has changed: count what it takes now. */
void gate_settle(struct overlay *o, struct inode *i, int fd);
/*
 * The same of a file that others only write to, without ever waiting for the
 * filesystem or for them: what it takes is *out. `more` bytes of that are not
 * counted yet: somebody else is about to. -ENOENT: it is not known.
 */
int gate_settle_quickly(struct overlay *o, struct inode *i, int fd,
			struct charge *out, uint64_t *more);
/* It is new in upper, copied up or without a name: count it. */
void gate_born(struct overlay *o, struct inode *i, int fd);
/* The request of this thread has made it, one for each: count it once. */
void gate_created(struct overlay *o, struct inode *i, const struct stat *st);
/* Its blocks may yet change on their own (late.h). */
void gate_late(struct overlay *o, struct inode *i);
/* Look at those for which that is over: late_look(). */
int gate_look_late(struct overlay *o);

/* Its last name went, or it has one again. */
void gate_doom(struct overlay *o, struct inode *i, bool doomed);
/* Something without a name was closed: it is soon free, perhaps. */
void gate_dying(struct overlay *o);
/* The kernel has forgotten it. */
void gate_gone(struct overlay *o, struct inode *i);

/* After the inode table, by a process that takes over, before it serves. */
void gate_recover(struct overlay *o, struct slot_table *slots);

/* Whose it is, as counted; false: not known. */
bool gate_owner(struct overlay *o, struct inode *i, struct charge_owner *out);
/* May it only be written through us? Its row is known. */
bool gate_is_limited(struct overlay *o, struct inode *i);
/*
 * Does the host's filesystem keep the container's limit on space? Then that
 * alone makes nobody write through us.
 */
void gate_host_keeps_space(struct gate *g, bool does);
/* With what was this thread refused here, last? 0: it was not. */
int gate_said(void);
/* It was not: a new request begins. */
void gate_say_nothing(void);

/* charge_may_move() of this gate. */
int gate_may_move(const struct overlay *o, struct charge_owner from,
		  struct charge_owner to, uint64_t space);

/* Whole allocation units. */
uint64_t gate_round(const struct overlay *o, uint64_t bytes);
/* What one more name may add to a directory. */
uint64_t gate_name_space(const struct overlay *o);

#endif
