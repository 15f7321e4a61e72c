/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_CRASH_H
#define VEFS_FS_BASE_CRASH_H

/*
 * crash - places where a test may have the process killed.
 *
 * A place is marked with CRASH_POINT(NAME). That is nothing at all, and the
 * two functions that go with it do nothing, unless built with -DVEFS_CRASH
 * (make D=crash). There a test makes a control file, names it in the
 * environment variable VEFS_CRASH, sees in it how often each point was come
 * by, and arms one point at a time.
 */
#include <stdatomic.h>
#include <stdint.h>

/* clang-format off */
#define CRASH_POINTS(X)                                                        \
	/* a request's slot */                                                 \
	X(SLOT_EXEC)		/* recorded, effect not begun */               \
	X(SLOT_EFFECT)		/* effect made, not marked */                  \
	X(SLOT_DONE)		/* marked with the reply, tables untouched */  \
	X(SLOT_APPLYING)	/* half the tables */                          \
	X(SLOT_APPLIED)		/* the tables, reply not sent */               \
	X(SLOT_SENT)		/* reply sent, slot not freed */               \
	X(FORGET_BEFORE)                                                       \
	X(FORGET_AFTER)                                                        \
	X(COPYUP_MADE)		/* an empty file in work */                    \
	X(COPYUP_DATA)                                                         \
	X(COPYUP_META)                                                         \
	X(COPYUP_INDEX)                                                        \
	X(COPYUP_PUBLISHED)	/* has its name in upper */                    \
	X(COPYUP_ADOPTED)	/* the inode knows */                          \
	X(FILL_BEGUN)		/* data brought after: nothing copied yet */   \
	X(FILL_DATA)		/* there, but not what it is */                \
	X(FILL_TIMES)		/* as it was but for the data */               \
	X(FILL_UNMARKED)	/* one mark says so, the record not yet */     \
	X(FILL_DONE)		/* in upper wholly, the inode does not know */ \
	X(INODE_MADE)                                                          \
	X(INODE_GONE)                                                          \
	X(BACKING_OPENED)	/* registered, not recorded */                 \
	X(BACKING_CLOSED)                                                      \
	X(HANDLE_MADE)                                                         \
	X(HANDLE_GONE)                                                         \
	X(TMPFILE_MADE)                                                        \
	X(GATE_CHANGED)		/* what was asked for is there, not counted */ \
	X(WINDOW_ASKED)		/* an event read, nothing done */              \
	X(WINDOW_ANSWERED)	/* and answered, not marked so */              \
	/* a new worker's way */                                               \
	X(RECOVER_BEGUN)                                                       \
	X(RECOVER_REDONE)                                                      \
	X(RECOVER_SWEPT)                                                       \
	X(RECOVER_REPLAYED)                                                    \
	X(RECOVER_RESENT)                                                      \
	X(RECOVER_DRAINED)                                                     \
	X(RECOVER_MADE)                                                        \
	X(RECOVER_READY)

enum crash_where {
#define CRASH_ENUM(name) CRASH_##name,
	CRASH_POINTS(CRASH_ENUM)
#undef CRASH_ENUM
	CRASH_MAX
};
/* clang-format on */

/* FUSE opcodes; 0 is none, the last is everything above. */
#define CRASH_OPCODES 64u
#define CRASH_NO_OPCODE 0xffffu /* armed for what belongs to no operation */
#define CRASH_MAGIC 0x76630001u

/*
 * The control file: this, and nothing behind it. The test makes it with magic,
 * size and points set and the rest zero; a file that does not fit is refused.
 *
 * `armed` is one word, so that arming and firing are each one store:
 * crash_arm_word(). The countdown runs down in place; who finds it at zero
 * puts 0 (nothing armed), counts in `fired`, and dies. Written by the test
 * only while it is 0.
 */
struct crash_control {
	uint32_t magic, size, points, unused;
	_Atomic uint64_t armed;
	_Atomic uint64_t fired; /* deaths, all points */
	_Atomic uint64_t hits[CRASH_MAX][CRASH_OPCODES];
	_Atomic uint64_t deaths[CRASH_MAX][CRASH_OPCODES];
};

/*
 * What arms `where` for one opcode (0: for all; CRASH_NO_OPCODE: for none),
 * after `countdown` of those hits have passed.
 */
static inline uint64_t crash_arm_word(enum crash_where where, uint32_t opcode,
				      uint32_t countdown)
{
	return (uint64_t)countdown << 32 | (uint64_t)opcode << 16 |
	       ((uint64_t)where + 1);
}

/* "SLOT_EXEC" and so on; NULL: there is no such point. */
const char *crash_name(enum crash_where where);

#ifdef VEFS_CRASH

/*
 * Map the file named by $VEFS_CRASH, if it is set; processes forked later
 * share it. Called once, before there are threads. A file that cannot be used
 * is logged, and nothing will fire.
 */
void crash_setup(void);

/* From here on this thread works on a request of this opcode; 0: on none. */
void crash_operation(uint32_t opcode);

/* A point was come by. Does not return from the one that fires. */
void crash_here(enum crash_where where);

#define CRASH_POINT(where) crash_here(CRASH_##where)

#else

static inline void crash_setup(void)
{
}

static inline void crash_operation(uint32_t opcode)
{
	(void)opcode;
}

#define CRASH_POINT(where)                                                     \
	do {                                                                   \
	} while (0)

#endif
#endif
