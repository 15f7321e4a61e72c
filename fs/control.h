/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_CONTROL_H
#define VEFS_FS_CONTROL_H

/*
 * control - talking to the keeper of a mount, and to its worker.
 *
 * Sockets of the mount's own, named by its device number and the role of who
 * listens, in the run folder: $VEFS_ROOT/run, or /run/vefs. One request a connection, one line; the answer
 * is a line that begins with "ok" or "error: ", and the end. Only the user
 * who mounted, and root, are listened to.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONTROL_LINE 4352u /* a word and a path */

/* Roles. */
#define CONTROL_KEEPER ""
#define CONTROL_QUOTA "-quota"

/*
 * Listen for the mount of device `dev`. A descriptor, or -errno: then it
 * cannot be controlled, and nothing else is wrong.
 */
int control_listen(dev_t dev, const char *role, uint64_t *ino);

/* The calling process is who listens now: SO_PEERCRED names it. -1: nothing. */
void control_listen_again(int listener);
/*
 * Take the name away if it is still the one with that inode number: device
 * numbers are soon used again. The descriptor is closed by its owner.
 */
void control_unlink(dev_t dev, const char *role, uint64_t ino);

/*
 * A connection with its request in line[CONTROL_LINE], without the newline.
 * Waits for `ms` at most. The descriptor to answer by, or
 * -errno.
 */
int control_accept(int listener, unsigned ms, char *line);
/*
 * Did it fail for want of a descriptor? The connection is there still: leave the
 * listener alone for CONTROL_DEAF_MS, or one asks and asks.
 */
#define CONTROL_DEAF_MS 100
bool control_is_full(int error);
/* The next line of a connection that stays, as its request came; or -errno. */
int control_read(int fd, char *line);
/* Answer; the connection is over, closing it is the caller's. */
void control_answer(int fd, const char *answer);

/*
 * Send `request` to who listens for the mount at `path`; a descriptor to read
 * the answer from, or -errno: -ENXIO nobody listens.
 */
int control_connect(const char *path, const char *role, const char *request);
/* The same for the mount of device `dev`, of which no path is looked at. */
int control_connect_dev(dev_t dev, const char *role, const char *request);
/*
 * Send `request` to the keeper of the mount at `path` and wait for the answer,
 * in answer[CONTROL_LINE]. 0, or -errno: -ENXIO nobody listens.
 */
int control_ask(const char *path, const char *request, char *answer);

#endif
