/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CONSOLE_H
#define VEFS_TOOLS_CT_CONSOLE_H

/*
 * console - what a container writes on its console is taken at once, whether
 * somebody looks or not: into a log, and to those who look. What they type goes
 * there.
 *
 * It lives in memory and with descriptors that forkshare() shares: who goes on
 * with it when its process was killed, after console_resume(), has all of it,
 * those who look too. One process at a time uses it.
 *
 * The log is a file of CONSOLE_LOG_MAX bytes at most, and the one before it,
 * with ".1" behind its name.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define CONSOLE_LOG_MAX (1u << 20)
#define CONSOLE_VIEWERS 8
#define CONSOLE_FDS (CONSOLE_VIEWERS + 1)

struct console;

/* The log is `log` in the directory `dir`, borrowed. 0 or -errno. */
int console_new(struct console **out, int dir, const char *log);
void console_free(struct console *c);

/* The master of its terminal, taken; the one before is closed. -1: none. */
void console_take_master(struct console *c, int fd);

/*
 * Somebody looks, by a socket, taken. The container waits for one who is to
 * miss nothing. -EBUSY: too many look; it stays yours.
 */
int console_take_viewer(struct console *c, int fd, bool all);

void console_resume(struct console *c);

/* Nobody looks any more. */
void console_drop_viewers(struct console *c);

/* Is this descriptor one of its own? */
bool console_has(const struct console *c, int fd);

/* The size of its terminal. */
void console_resize(struct console *c, unsigned rows, unsigned columns);

/* What to poll for; how many. Then hand the same back. */
size_t console_poll(struct console *c, struct pollfd p[CONSOLE_FDS]);
void console_handle(struct console *c, const struct pollfd *p, size_t n);

/* Take what is still there, when its last process is gone. */
void console_drain(struct console *c);

#endif
