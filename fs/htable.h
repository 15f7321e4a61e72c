/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_HTABLE_H
#define VEFS_FS_HTABLE_H

/*
 * htable - the open files, in shared memory.
 *
 * A handle is what the kernel gives back with every request on an open file.
 * Its descriptor is opened when a request needs one: a file that the kernel
 * reads by itself costs none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTABLE_LAYOUT 2

struct htable;

/* One open file. Everything but `fd` is set once. */
struct handle {
	uint64_t nodeid; /* the inode's; it stays known while this is open */
	_Atomic uint32_t generation; /* 0: free */
	uint32_t flags;		     /* of open(2) */
	uint16_t pass;		     /* 1: passthrough, 0: cached */
	_Atomic uint16_t pending;    /* the kernel may not know it yet */
	_Atomic int32_t fd;	     /* descriptor + 1; 0: none yet */
	_Atomic uint32_t fd_lower;   /* the descriptor is the lower file's */
	uint32_t next_free;
};

/* A new table, or with `fd` >= 0 that of the memfd, which is taken. */
struct htable *htable_new(int fd);
/* Closes what is open. */
void htable_free(struct htable *t);

/* The memfd, borrowed. */
int htable_fd(const struct htable *t);

/*
 * A new handle; `fd` (or -1) is taken in every case. Returns its number, 0
 * when there is no room. It is pending until htable_confirm(): the kernel has
 * been told, or will be by a stored answer.
 */
uint64_t htable_add(struct htable *t, const struct handle *like, int fd);
void htable_confirm(struct htable *t, uint64_t fh);

/*
 * In a process that takes over: drop what is pending and what `keep` does not
 * want, and find out what is free. Nobody else uses the table.
 */
void htable_recover(struct htable *t,
		    bool (*keep)(void *ctx, const struct handle *h), void *ctx);

/*
 * Call `fn` with each handle there is, while others come and go: it may be
 * one that went.
 */
void htable_each(struct htable *t,
		 void (*fn)(void *ctx, const struct handle *h), void *ctx);

/* Call `fn` with every descriptor that handles have open. */
void htable_fds(struct htable *t, void (*fn)(void *ctx, int fd), void *ctx);

/* The handle of a number, or NULL. It lives until htable_remove(). */
struct handle *htable_get(struct htable *t, uint64_t fh);

/* Close and free. A number that is not in use is ignored. */
void htable_remove(struct htable *t, uint64_t fh);

size_t htable_count(struct htable *t);

#endif
