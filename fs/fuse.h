/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSE_H
#define VEFS_FS_FUSE_H

/*
 * fuse - the overlay as the kernel's FUSE protocol asks for it. It and what it
 * is made of (fuse*.c) are all that knows libfuse.
 */
#include <stdbool.h>
#include <stddef.h>

#include "fs/loop.h"
#include "fs/overlay.h"
#include "fs/slot.h"

struct fuse_server;

/*
 * The most that one request writes. It is copied three times, on one processor
 * where that can be: two of them stay in its cache of 1 or 2 MiB.
 */
#define FUSE_WRITE_MAX (1u << 19)

/* Room for a request; of 1 MiB as former versions have negotiated it, too. */
#define FUSE_REQUEST_MAX ((1u << 20) + 65536u)

/*
 * Serve `o` on the device `fd`, all borrowed; `fd` is mounted already.
 * NULL: libfuse did not want to.
 */
struct fuse_server *fuse_server_new(struct overlay *o, struct slot_table *slots,
				    int fd);
void fuse_server_free(struct fuse_server *s);

/* A descriptor of its own, besides `fd`. */
int fuse_server_fd(const struct fuse_server *s);

/*
 * Handle the kernel's INIT, its first request; before any other. Without
 * `answer` it was answered before, by another process. 0 or -errno.
 */
int fuse_server_init(struct fuse_server *s, void *init, size_t len,
		     bool answer);

/*
 * Handle one request as read from the device, by `fd`; answers it there,
 * exactly once.
 */
void fuse_server_handle(struct fuse_server *s, void *request, size_t len,
			int fd);

/*
 * Ask the kernel about some inodes that it may have forgotten without our
 * knowing, from *cursor on (0: the first). True: there are more; *cursor is 0
 * when one has gone through all and it is time to pause.
 */
bool fuse_server_probe(struct fuse_server *s, uint32_t *cursor);

/* How long may this request take? */
enum loop_length fuse_request_length(const void *request, size_t len);

#endif
