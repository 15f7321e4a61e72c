/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_NAMES_H
#define VEFS_FS_NAMES_H

/*
 * names - what the operations on names have in common: a directory ready to
 * be changed, a free place in it, and an inode that loses a name.
 *
 * Every such operation is one function in three parts. The precondition is
 * looked up and can still refuse; the effect is the one system call on upper
 * that makes it so, for a crash too; the commit tells the tables, and cannot
 * fail.
 */
#include "fs/lookup.h"
#include "fs/overlay.h"
#include "fs/slot.h"

/* A directory that is in upper, for one operation. */
struct names_dir {
	struct overlay *o;
	struct inode *inode;	 /* borrowed */
	struct fdcache_ent *ent; /* upper's directory */
	struct itable_view v;
};

/*
 * Copy `dir` up if need be and borrow it. -EROFS without an upper, -ENOENT
 * when it was removed. names_dir_end() in every case.
 */
int names_dir_begin(struct names_dir *d, struct overlay *o, struct inode *dir);
void names_dir_end(struct names_dir *d);
#define NAMES_DIR(name)                                                        \
	__attribute__((cleanup(                                                \
		names_dir_end))) struct names_dir name = { .ent = NULL }

/* May the guest use this name? 0, -EPERM, -EROFS. */
int names_check(const struct overlay *o, const char *name);

/* What upper has under a name. */
enum names_state { NAMES_ABSENT, NAMES_WHITEOUT, NAMES_FILE, NAMES_DIR_THERE };
int names_state(const struct names_dir *d, const char *name,
		enum names_state *out);

/*
 * Is the name free for a new inode? 0: nothing in upper; 1: a whiteout, to be
 * replaced; -EEXIST when the overlay shows something.
 */
int names_vacancy(const struct names_dir *d, const char *name);

/* An inode that is about to lose a name in `dir`. */
struct names_victim {
	struct overlay *o;
	struct inode *inode; /* pinned; NULL: no victim */
	struct itable_view v;
	nlink_t links; /* shown before */
	bool named;    /* upper has the name */
	bool below;    /* a lower has it */
	int pin;       /* O_PATH of upper's inode when its last name goes */
};

/*
 * Precondition: look it up, copy up what must be to count its links; keep it
 * reachable if this is its last name and it `dies`. -ENOENT if there is none.
 * names_victim_end() in every case.
 */
int names_victim_begin(struct names_victim *vi, struct names_dir *d,
		       const char *name, bool dies);
/* Just before the effect: leave word of it for a successor (slot.h). */
void names_victim_note(const struct names_victim *vi, struct slot_note *n);
/* The victim that a predecessor left word of. -ESTALE: it is not known. */
int names_victim_noted(struct names_victim *vi, struct overlay *o,
		       const struct slot_note *n);
/* Commit: the name is gone. */
void names_victim_gone(struct names_victim *vi);
void names_victim_end(struct names_victim *vi);
#define NAMES_VICTIM(name)                                                     \
	__attribute__((cleanup(                                                \
		names_victim_end))) struct names_victim name = { .pin = -1 }

/* The inode stands at this place now. */
void names_moved(struct names_dir *to, struct inode *i, const char *name);

/*
 * Give an inode that upper knows by work/index alone its name in `d` too.
 */
int names_link_up(struct names_dir *d, struct inode *i, const char *name);

#endif
