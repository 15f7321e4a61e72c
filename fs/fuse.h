/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSE_H
#define VEFS_FS_FUSE_H

/*
 * fuse - the overlay as the kernel's FUSE protocol asks for it. It and what it
 * is made of (fuse*.c) are all that knows libfuse.
 */
#include <stdbool.h>
#include <stddef.h>

#include "fs/overlay.h"

struct fuse_server;

/* Room for one request of the size we negotiate. */
#define FUSE_REQUEST_MAX ((1u << 20) + 65536u)

/*
 * Serve `o` on the device `fd`, both borrowed; `fd` is mounted already.
 * NULL: libfuse did not want to.
 */
struct fuse_server *fuse_server_new(struct overlay *o, int fd);
void fuse_server_free(struct fuse_server *s);

/*
 * Handle one request as read from the device, by `fd`; answers it there, exactly
 * once.
 */
void fuse_server_handle(struct fuse_server *s, void *request, size_t len,
			int fd);

/* Has the kernel's INIT been answered? */
bool fuse_server_ready(const struct fuse_server *s);

/* May this request take long (loop.h)? */
bool fuse_request_is_slow(const void *request, size_t len);

#endif
