/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_SLOT_H
#define VEFS_FS_SLOT_H

/*
 * slot - what a request has done so far, for the process that takes over when
 * this one is killed in the middle of it.
 *
 * The kernel sends a request that was not answered again. Most may simply be
 * done again; those that change names, or that the kernel counts, have a slot
 * in shared memory while they run:
 *
 *	FREE	nothing
 *	EXEC	begun; `note` says what the operation found before its effect
 *	DONE	the answer is here, what the tables will say is decided
 *	APPLIED	the tables say it; the answer may have been sent or not
 *
 * An operation that is done again finds its predecessor's note, sees by it
 * that the effect has happened already, and goes on behind it. From DONE on
 * nothing is done again: the stored answer is sent. A slot that is EXEC when
 * the kernel does not ask again had been answered.
 *
 * A thread works on one request at a time and has its slot as its current
 * one. Without a current slot notes go nowhere: a unit test, say.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct overlay;
struct itable;

#define SLOT_LAYOUT 1
#define SLOT_MAX 512u
#define SLOT_REPLY 200u
#define SLOT_THREADS 72u

enum slot_state { SLOT_FREE, SLOT_EXEC, SLOT_DONE, SLOT_APPLIED };

/* What an operation found, and so whether it was itself that changed it. */
enum slot_kind {
	SLOT_NOTHING,
	SLOT_VACANT,  /* the name was not there, and its maker may make it */
	SLOT_THERE,   /* the attribute was there */
	SLOT_LINK_UP, /* an index entry was about to get its name in upper */
	SLOT_VICTIM,  /* a name was about to go */
	SLOT_MOVE,    /* a rename */
	SLOT_UNSET,   /* the attribute was not there */
	SLOT_HOLES,   /* a file's holes were about to be filled */
};

struct slot_note {
	uint32_t kind;
	uint32_t links;	 /* of the victim, before */
	uint64_t victim; /* nodeid; 0: none */
	int32_t pin;	 /* descriptor + 1 that keeps the victim; 0: none */
	int32_t delta;	 /* the link_delta that goes with the effect */
	uint8_t named, unused[7];
	uint64_t moved; /* nodeid that gets a new place */
	/* st_ino in upper of what stood at the two names; SLOT_HOLES: mtime */
	uint64_t from, to;
	uint64_t exchanged; /* nodeid at the new name, by RENAME_EXCHANGE */
};

struct slot {
	_Atomic uint32_t state;
	uint32_t opcode;
	uint64_t unique;     /* without the bit for "sent again" */
	uint32_t generation; /* of the process that works on it */
	int32_t fd;	     /* the device it came by */
	uint64_t told;	     /* nodeid that the answer names, or 0 */
	uint64_t lookups;    /* its count with the answer */
	uint64_t fh;	     /* handle that the answer names, or 0 */
	struct slot_note note;
	uint32_t reply_len;
	uint8_t reply[SLOT_REPLY];
};

struct slot_table;

/* A new table, or with `fd` >= 0 that of the memfd, which is taken. */
struct slot_table *slot_table_new(int fd);
void slot_table_free(struct slot_table *t);
int slot_table_fd(const struct slot_table *t);

/* Begin a process's use of the table. */
void slot_table_begin(struct slot_table *t);

/* For one request. */

/*
 * The thread begins a request that needs a slot. `again`: the kernel sends it
 * a second time; it goes on in its predecessor's slot if that left one.
 */
void slot_begin(struct slot_table *t, uint64_t unique, uint32_t opcode, int fd,
		bool again);
/* The thread's request is over, answered. */
void slot_end(void);
/* The current slot, NULL if none. */
struct slot *slot_current(void);
/* Which of the SLOT_MAX it is, the same in a process that takes over. */
unsigned slot_index(const struct slot *s);

/* What the answer will name; the slot_commit() before it is sent counts it. */
void slot_tell(uint64_t nodeid);
void slot_open(uint64_t fh);

/* Store the answer and bring the tables up to it. */
void slot_commit(struct overlay *o, const struct iovec *iov, int count);

/* For the operations. */

/* What the operation's predecessor wrote down, or NULL. */
const struct slot_note *slot_before(enum slot_kind kind);

/* Write down, before the effect. A pin that is no more named is closed. */
void slot_note(const struct slot_note *n);
/* Only a kind: SLOT_VACANT and the like. */
void slot_note_kind(enum slot_kind kind);
/* The pin in the note belongs to somebody else from now on. */
void slot_release_pin(int fd);

/* For the process that takes over; nobody else uses the table. */

/* Bring what is DONE to APPLIED. */
void slot_redo(struct slot_table *t, struct overlay *o);
/* Call `fn` with each slot in that state. */
void slot_each(struct slot_table *t, enum slot_state state,
	       void (*fn)(void *ctx, struct slot *s), void *ctx);
/* Does a slot that is EXEC have this request? */
bool slot_has(const struct slot_table *t, uint64_t unique);
/* Is an answer on its way that names `nodeid`? */
bool slot_is_telling(const struct slot_table *t, uint64_t nodeid);

/*
 * What each thread works on, whatever it is: to find who kills us, and what
 * was changed and not counted yet.
 */
#define SLOT_CHANGING 8u

struct slot_now {
	uint64_t unique; /* 0: nothing */
	uint32_t opcode;
	uint32_t pad;
	uint64_t nodeid;
	uint64_t answered; /* how many, ever */
	uint32_t changing[SLOT_CHANGING];
};

/* The calling thread's, or NULL when there are too many threads. */
struct slot_now *slot_now(struct slot_table *t);

/*
 * The calling thread begins to change the inode of this row (not 0), and has
 * counted what came of it: once each, in pairs. Of more than SLOT_CHANGING at
 * a time, or of a thread that handles no requests, nothing is kept.
 */
void slot_change(uint32_t row);
void slot_counted(uint32_t row);
/* Call `fn` with each row that a process before us left in between. */
void slot_each_changed(struct slot_table *t,
		       void (*fn)(void *ctx, uint32_t row), void *ctx);

/* Requests answered so far, by all processes. */
uint64_t slot_answered(const struct slot_table *t);

/*
 * The process before was killed by its own fault: count it against what its
 * threads were working on.
 */
void slot_blame(struct slot_table *t, bool fault);
/* How often has this request been at fault? */
unsigned slot_faults(const struct slot_table *t, uint64_t unique);

#endif
