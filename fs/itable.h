/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_ITABLE_H
#define VEFS_FS_ITABLE_H

/*
 * itable - the inodes that the kernel knows, in shared memory.
 *
 * What a successor of this process must know about an inode stands in its
 * record (struct itable_rec) and in a piece of the arena that holds its refs
 * and its name; that part has a versioned layout. What can be derived or is
 * worth nothing after a crash (locks, hash chains, pins) is in struct inode,
 * private memory with the same index. Both give pages back when the kernel
 * forgets.
 *
 * A nodeid is (generation << 32 | index) and is never used twice; the root is
 * 1. An inode lives while the kernel counts lookups, a child names it as its
 * parent, or somebody pins it.
 *
 * Locking: the table's own mutex is innermost and held briefly. An inode's
 * `lock` guards its refs, name and flags against change; readers take a
 * consistent copy with itable_view().
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/base/lock.h"
#include "fs/ref.h"

#define ITABLE_LAYOUT 3
#define ITABLE_ROOT 1

/* Flags in the record. */
enum {
	INODE_UPPER = 1 << 0,	    /* it has an inode in upper */
	INODE_METACOPY = 1 << 1,    /* its data lies below its metadata */
	INODE_INDEXED = 1 << 2,	    /* upper has a name in work/index */
	INODE_RECORD = 1 << 3,	    /* upper has a record: ino is not its own */
	INODE_IMPURE = 1 << 4,	    /* directory: some child has a record */
	INODE_UNLINKED = 1 << 5,    /* no name is left */
	INODE_SPLIT = 1 << 6,	    /* another nodeid has its identity now */
	INODE_PROGRAM = 1 << 7,	    /* lies in a program tree */
	INODE_REDIRECT = 1 << 8,    /* directory: upper's name is not lower's */
	INODE_PLAIN = 1 << 9,	    /* upper file without setuid or the like */
	INODE_BARE = 1 << 10,	    /* it has no extended attribute at all */
	INODE_MOVING = 1 << 11,	    /* between itable_move_begin() and _end() */
	INODE_PASS_LOWER = 1 << 12, /* its backing id is the lower file's */
	INODE_SETTLED = 1 << 13,    /* copied up, and that was synced */
	INODE_WATCHED = 1 << 14,    /* its backing id is by window's mount */
	INODE_MAPPED = 1 << 15,	    /* its blocks may be mapped: no holes */
};

#define ITABLE_NAME_MAX 255
#define ITABLE_BLOB_MAX 8192

/* Private part. Everything but `lock` belongs to the table or iomode. */
struct inode {
	struct lock lock;
	uint32_t refs;	     /* pins and children; table mutex */
	uint32_t hash_next;  /* table mutex */
	uint32_t n_cached;   /* open files in cached mode; lock */
	uint32_t n_pass;     /* open files by passthrough; lock */
	uint8_t hashed;	     /* table mutex */
	uint8_t copying;     /* a copy-up is under way; turn.c's */
	uint8_t stale_pages; /* written past the page cache; lock */
	uint8_t suspect;     /* has lookups that may be lost; table mutex */
	uint32_t told;	     /* when the kernel was last told, s; table mutex */
	uint32_t in_ring;    /* its backing id may be unused; backing.c's */
	uint32_t move_next;  /* table mutex */
	_Atomic uint32_t late; /* when it was changed, s; late.c's */
	uint64_t dense; /* bytes from 0 on that have blocks; gatefile.c's */
	uint32_t unused[4];
};

/* A consistent copy of what is known about an inode. */
struct itable_view {
	uint64_t nodeid;
	uint64_t ino;	 /* outward */
	uint32_t parent; /* index; 0 for the root */
	uint32_t flags;
	uint32_t type; /* S_IFMT bits */
	int32_t link_delta;
	int pin; /* O_PATH descriptor of an unlinked upper inode, or -1 */
	struct ref upper; /* none unless INODE_UPPER */
	unsigned n_lower; /* a file has two at most */
	uint16_t blob_len;
	uint8_t blob[ITABLE_BLOB_MAX]; /* only blob_len bytes are valid */
};

/* What a new inode is made of. */
struct itable_seed {
	uint64_t ino;
	uint32_t parent;
	uint32_t flags;
	uint32_t type;
	int32_t link_delta;
	struct ref upper;
	const struct ref *lower; /* n_lower of them, borrowed */
	unsigned n_lower;
	const char *name;
	uint64_t moves; /* itable_moves() before the layers were asked */
};

struct itable;

/* The memfds that a table lives in. */
#define ITABLE_FDS 2

/* An empty table, or that of the memfds `fds`, which are taken. NULL: none. */
struct itable *itable_new(const int fds[ITABLE_FDS]);
void itable_free(struct itable *t);

/* The memfds, borrowed. */
void itable_memfds(const struct itable *t, int fds[ITABLE_FDS]);

/*
 * Put the root in; before anything else. -errno if there is no room.
 */
int itable_set_root(struct itable *t, const struct itable_seed *seed);

/* Pin the inode of a nodeid. NULL: no such (any more). */
struct inode *itable_get(struct itable *t, uint64_t nodeid);
/* Pin by index, as views name parents. */
struct inode *itable_get_index(struct itable *t, uint32_t index);
/* Pin the inode with this identity, if the kernel knows it. */
struct inode *itable_find(struct itable *t, const struct ref *key);
struct inode *itable_pin(struct itable *t, struct inode *i);
/* NULL is fine. May free the inode. */
void itable_unpin(struct itable *t, struct inode *i);

/*
 * The inode of seed's identity (upper, else the first lower), pinned; made if
 * the table has none. An existing one takes seed's parent and name. Refs that
 * pin descriptors are taken in every case. 0, -ENOMEM, or -EAGAIN: what the
 * seed says is out of date, a copy-up has been quicker; look again.
 */
int itable_intern(struct itable *t, const struct itable_seed *seed,
		  struct inode **out);

/*
 * A copy-up gives an inode another identity, and whoever asks the layers
 * meanwhile may find either. From before upper shows the inode until the
 * table knows its new ref it is between itable_move_begin() and _end(): it is
 * found then by its outward number. itable_moves() counts the inodes that have
 * got an upper ref.
 */
uint64_t itable_moves(struct itable *t);
void itable_move_begin(struct itable *t, struct inode *i);
void itable_move_end(struct itable *t, struct inode *i);

uint32_t itable_index(const struct itable *t, const struct inode *i);
uint64_t itable_nodeid(const struct itable *t, const struct inode *i);
uint32_t itable_flags(const struct itable *t, const struct inode *i);

/* Copy what is known of `i`; takes and releases its lock. */
void itable_view(struct itable *t, struct inode *i, struct itable_view *v);
void itable_view_locked(struct itable *t, struct inode *i,
			struct itable_view *v);
/*
 * The n-th lower ref of a view. A file's last one has its data, if upper has
 * not; with INODE_METACOPY the first may have the metadata alone.
 */
void itable_view_lower(const struct itable_view *v, unsigned n,
		       struct ref *out);
static inline void itable_view_data(const struct itable_view *v,
				    struct ref *out)
{
	itable_view_lower(v, v->n_lower - 1, out);
}

/* The name of a view. */
const char *itable_view_name(const struct itable_view *v,
			     char buf[ITABLE_NAME_MAX + 1]);

/* Take the inode out of the index: its identity goes to the next intern. */
void itable_split_locked(struct itable *t, struct inode *i);

/* Called, without locks, just before an inode's memory goes. */
typedef void (*itable_gone_fn)(void *ctx, struct inode *i, int32_t backing);
void itable_on_gone(struct itable *t, itable_gone_fn fn, void *ctx);

/* Inodes in the table, the kernel's lookups of them, backing ids they have. */
struct itable_stats {
	uint64_t inodes, lookups, backing;
	uint64_t arena_bytes;
};
void itable_stats(struct itable *t, struct itable_stats *out);

#endif
