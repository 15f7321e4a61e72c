/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_ITABLERECOVER_H
#define VEFS_FS_ITABLERECOVER_H

/*
 * itablerecover - the inode table in a process that takes it over, and what
 * a lost message leaves in it.
 *
 * A process that was killed has left its records in shared memory; locks,
 * chains and counts are made anew. What only it knew of is dropped: inodes
 * that the kernel was not told of and that are nobody's parent. The kernel may
 * also have forgotten inodes without our knowing, when the message died with
 * its reader: these are suspects until the kernel was asked.
 */
#include "fs/itable.h"

/*
 * Make the private half from the records; nobody else uses the table. All
 * inodes but the root are suspects then. -EUCLEAN: the records are not what
 * this program writes; -ENOMEM.
 */
int itablerecover(struct itable *t);

/* Free the inodes that neither the kernel, a child nor a pin holds. */
void itablerecover_drop(struct itable *t);

/* Call `fn` with each inode that moves or has a backing id, pinned. */
void itablerecover_each(struct itable *t,
			void (*fn)(void *ctx, struct inode *i), void *ctx);

/* Call `fn` with every descriptor that a record holds. */
void itablerecover_fds(struct itable *t, void (*fn)(void *ctx, int fd),
		       void *ctx);

/*
 * An id that was registered and did not get into its record: those after the
 * returned one may be it. -1: there is none.
 */
int32_t itablerecover_backing(struct itable *t);

/* A suspect, and when the kernel was last told of it. */
struct itablerecover_suspect {
	uint64_t nodeid;
	uint32_t told;
};

/*
 * Take up to `n` suspects, from *cursor (0 at first) on, of which the kernel
 * was not told for `age` seconds, nor taken over; younger ones stay suspects.
 * Fewer than `n`: the end. *more says that some have been too young.
 */
unsigned itablerecover_suspects(struct itable *t, uint32_t *cursor,
				uint32_t age, bool *more,
				struct itablerecover_suspect *out, unsigned n);

/* Called, with the table locked, when there are some and were none. */
void itablerecover_on_suspects(struct itable *t, void (*fn)(void));

/* Are there any? */
bool itablerecover_has_suspects(struct itable *t);

/*
 * The kernel said that it does not know the suspect. True if it goes now: the
 * kernel was not told of it meanwhile.
 */
bool itablerecover_disown(struct itable *t,
			  const struct itablerecover_suspect *s);

#endif
