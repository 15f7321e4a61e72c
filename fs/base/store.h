/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_STORE_H
#define VEFS_FS_BASE_STORE_H

/*
 * store - sorted tables of bytes in one file: a thin layer over LMDB, with
 * errors as -errno and files named below a directory descriptor.
 *
 * There is no lock file: one process writes, and nobody reads what is being
 * written; who needs more locks around it. A store must not be used across
 * fork(). Errors of all functions: -ENOENT no such key, -EEXIST, -ENOSPC the
 * map is full (or the disk), -ENOMEM, -EUCLEAN the file is damaged,
 * -EPROTONOSUPPORT of another version of LMDB, and those of system calls.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_TABLES_MAX 8
#define STORE_KEY_MAX 511 /* bytes; a value may have 4 GiB */

struct store;
struct store_txn;
struct store_cursor;

struct store_bytes {
	const void *data;
	size_t len;
};

#define STORE_BYTES(ptr, n) ((struct store_bytes){ .data = (ptr), .len = (n) })

struct store_options {
	/* Names of the tables, which are then called 0, 1, ...; NULL ends. */
	const char *tables[STORE_TABLES_MAX + 1];
	size_t map_size; /* most the file may grow to; 0: its size now */
	bool read_only;	 /* else it is made when missing, mode 0600 */
	bool no_sync;	 /* commits reach the disk by store_sync() only */
};

/* Open the file `name` in `dirfd`. */
int store_open(struct store **out, int dirfd, const char *name,
	       const struct store_options *o);
/* All transactions must have ended. */
void store_free(struct store *s);
int store_sync(struct store *s);
/* The same, and each commit does from now on. */
int store_sync_always(struct store *s);
/* The descriptor of its file; borrowed. */
int store_fd(const struct store *s);
/*
 * Let go of the memory that the file's pages take in this process; they come
 * back as they are used. Nothing borrowed is lost.
 */
void store_relax(struct store *s);

/*
 * A transaction is used by one thread at a time, not bound to one. Any number
 * may read at once. In a read-only store beginning takes no system call.
 */
int store_begin(struct store *s, bool write, struct store_txn **out);
/* Ends it, also on an error, after which nothing of it has happened. */
int store_commit(struct store_txn *t);
void store_abort(struct store_txn *t);

/*
 * Values are borrowed until the transaction ends or next changes something;
 * in a read-only store as long as that is open.
 */
int store_get(struct store_txn *t, unsigned table, struct store_bytes key,
	      struct store_bytes *value);

#define STORE_NEW 1u	/* -EEXIST when the key is there */
#define STORE_APPEND 2u /* the key sorts behind all others, or -EEXIST */
int store_put(struct store_txn *t, unsigned table, struct store_bytes key,
	      struct store_bytes value, unsigned flags);
int store_del(struct store_txn *t, unsigned table, struct store_bytes key);

int store_cursor_new(struct store_txn *t, unsigned table,
		     struct store_cursor **out);
/* Before its transaction ends. */
void store_cursor_free(struct store_cursor *c);

/* The first key not below *key, which is replaced; -ENOENT: none. */
int store_seek(struct store_cursor *c, struct store_bytes *key,
	       struct store_bytes *value);
/* The next, or from a new cursor the first; -ENOENT: the end. */
int store_next(struct store_cursor *c, struct store_bytes *key,
	       struct store_bytes *value);

/* Numbers in keys: big endian, so that they sort. */
static inline void store_put_u64(uint8_t to[8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		to[i] = (uint8_t)v;
}

static inline uint64_t store_get_u64(const uint8_t from[8])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | from[i];
	return v;
}

#endif
