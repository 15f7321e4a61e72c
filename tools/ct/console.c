/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/console.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/forkshare.h"

/*
 * Nobody may hold up the container: who looks too slowly misses something, and
 * a log that cannot be written is not written. But one who runs it for what it
 * says (`all`) is waited for: while something is left for him the master is not
 * read. What is typed waits for room in the terminal, and its viewer is not
 * read meanwhile.
 *
 * Where a process that was killed has left a viewer's bytes half way they come
 * once more, or not at all; console_resume() sees that no count leads astray.
 *
 * A master says EIO as long as nobody has the slave open, as init does between
 * its children: so we keep one open. A hangup takes that away as well, and it is
 * opened anew; `lost` counts how often in a row.
 */
#define CHUNK 4096
#define DRAIN_MAX 256 /* chunks */
#define LOST_MAX 16
#define DRAIN_MS 10000 /* for one who takes nothing */

struct pending {
	char data[CHUNK];
	size_t n, done;
};

struct viewer {
	int fd; /* or -1 */
	bool all;
	struct pending in, out;
};

struct console {
	int dir, log, master, slave;
	unsigned lost;
	struct viewer viewer[CONSOLE_VIEWERS];
	size_t written; /* bytes in the log */
	char name[32], before[40], fresh[40];
};

/* Never one that is another's already: we may be killed in between. */
static void let_go(int *fd)
{
	const int was = *fd;

	*fd = -1;
	cleanup_closep(&was);
}

static int open_named(const struct console *c, const char *name, int flags)
{
	return openat(c->dir, name,
		      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			      flags,
		      0600);
}

static void open_log(struct console *c)
{
	struct stat st;

	c->log = open_named(c, c->name, 0);
	c->written = c->log >= 0 && fstat(c->log, &st) == 0 ? (size_t)st.st_size
							    : 0;
}

int console_new(struct console **out, int dir, const char *log)
{
	struct console *c = forkshare_memory(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->dir = dir;
	c->master = c->slave = -1;
	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++)
		c->viewer[i].fd = -1;
	snprintf(c->name, sizeof(c->name), "%s", log);
	snprintf(c->before, sizeof(c->before), "%s.1", c->name);
	snprintf(c->fresh, sizeof(c->fresh), "%s.new", c->name);
	open_log(c);
	if (c->log < 0) {
		int r = -errno;

		forkshare_free(c, sizeof(*c));
		return r;
	}
	*out = c;
	return 0;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	cleanup_closep(&c->log);
	cleanup_closep(&c->master);
	cleanup_closep(&c->slave);
	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++)
		cleanup_closep(&c->viewer[i].fd);
	forkshare_free(c, sizeof(*c));
}

static void hold_slave(struct console *c)
{
	let_go(&c->slave);
	c->slave = c->master < 0 ? -1
				 : ioctl(c->master, TIOCGPTPEER,
					 O_RDWR | O_NOCTTY | O_CLOEXEC);
}

void console_take_master(struct console *c, int fd)
{
	let_go(&c->master);
	c->master = fd;
	c->lost = 0;
	hold_slave(c);
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int console_take_viewer(struct console *c, int fd, bool all)
{
	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++) {
		struct viewer *v = &c->viewer[i];

		if (v->fd >= 0)
			continue;
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		v->all = all;
		v->in.n = v->out.n = 0;
		v->fd = fd;
		return 0;
	}
	return -EBUSY;
}

void console_resize(struct console *c, unsigned rows, unsigned columns)
{
	const struct winsize size = { .ws_row = (unsigned short)rows,
				      .ws_col = (unsigned short)columns };

	if (c->master >= 0)
		ioctl(c->master, TIOCSWINSZ, &size);
}

/*
 * An empty log, the full one is kept beside it. Whoever looks finds a log at any
 * time. False: no room for another.
 */
static bool turn_over(struct console *c)
{
	int fd = open_named(c, c->fresh, O_TRUNC);

	if (fd < 0)
		return false;
	if (renameat2(c->dir, c->fresh, c->dir, c->name, RENAME_EXCHANGE) == 0)
		renameat(c->dir, c->fresh, c->dir, c->before);
	else /* somebody took the full one away */
		renameat(c->dir, c->fresh, c->dir, c->name);
	let_go(&c->log);
	c->log = fd;
	c->written = 0;
	return true;
}

static void log_bytes(struct console *c, const char *data, size_t n)
{
	ssize_t k;

	if (c->written + n > CONSOLE_LOG_MAX && !turn_over(c))
		return;
	if (c->log < 0)
		return;
	k = write(c->log, data, n);
	c->written += k > 0 ? (size_t)k : 0;
}

static void drop_viewer(struct viewer *v)
{
	let_go(&v->fd);
	v->in.n = v->out.n = 0;
}

void console_drop_viewers(struct console *c)
{
	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++)
		drop_viewer(&c->viewer[i]);
}

static void set_right(struct pending *p)
{
	p->n = p->n <= CHUNK ? p->n : 0;
	p->done = p->done <= p->n ? p->done : p->n;
}

void console_resume(struct console *c)
{
	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++) {
		set_right(&c->viewer[i].in);
		set_right(&c->viewer[i].out);
	}
	if (c->log < 0)
		open_log(c);
	if (c->slave < 0)
		hold_slave(c);
}

bool console_has(const struct console *c, int fd)
{
	bool found = fd == c->log || fd == c->master || fd == c->slave;

	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++)
		found |= fd == c->viewer[i].fd;
	return found;
}

/* What is left for him. */
static void give_output(struct viewer *v)
{
	ssize_t n = send(v->fd, v->out.data + v->out.done,
			 v->out.n - v->out.done, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		drop_viewer(v);
		return;
	}
	v->out.done += n > 0 ? (size_t)n : 0;
	if (!v->all || v->out.done == v->out.n)
		v->out.n = 0;
}

static void show(struct console *c, const char *data, size_t len)
{
	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++) {
		struct viewer *v = &c->viewer[i];

		if (v->fd < 0)
			continue;
		memcpy(v->out.data, data, len);
		v->out.n = len;
		v->out.done = 0;
		give_output(v);
	}
}

/* Is somebody to be waited for? */
static bool is_held(const struct console *c)
{
	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++)
		if (c->viewer[i].out.n)
			return true;
	return false;
}

/* More may be there? */
static bool take_output(struct console *c)
{
	char data[CHUNK];
	ssize_t n = read(c->master, data, sizeof(data));

	if (n < 0 && errno == EIO) {
		if (c->lost++ < LOST_MAX)
			hold_slave(c);
		else
			console_take_master(c, -1);
	}
	if (n <= 0)
		return false;
	c->lost = 0;
	log_bytes(c, data, (size_t)n);
	show(c, data, (size_t)n);
	return true;
}

static void take_input(struct viewer *v)
{
	ssize_t n = recv(v->fd, v->in.data, sizeof(v->in.data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop_viewer(v);
		return;
	}
	v->in.n = (size_t)n;
	v->in.done = 0;
}

/* What was typed. */
static void give_input(struct console *c, struct viewer *v)
{
	ssize_t n = c->master < 0 ? 0
				  : write(c->master, v->in.data + v->in.done,
					  v->in.n - v->in.done);

	if (n > 0)
		v->in.done += (size_t)n;
	/* Without a terminal it is for nobody. */
	if (v->in.done == v->in.n || n == 0 ||
	    (n < 0 && errno != EAGAIN && errno != EINTR))
		v->in.n = 0;
}

size_t console_poll(struct console *c, struct pollfd p[CONSOLE_FDS])
{
	short events = is_held(c) ? 0 : POLLIN;
	size_t n = 1;

	for (unsigned i = 0; i < CONSOLE_VIEWERS; i++) {
		const struct viewer *v = &c->viewer[i];
		short wanted = (short)((v->in.n ? 0 : POLLIN) |
				       (v->out.n ? POLLOUT : 0));

		if (v->in.n)
			events |= POLLOUT;
		/* Nothing wanted: nor is its hangup, now. */
		p[n++] = (struct pollfd){ .fd = wanted ? v->fd : -1,
					  .events = wanted };
	}
	p[0] = (struct pollfd){ .fd = events ? c->master : -1,
				.events = events };
	return n;
}

void console_handle(struct console *c, const struct pollfd *p, size_t n)
{
	if (p[0].revents && p[0].fd == c->master && p[0].events & POLLIN)
		take_output(c);
	for (size_t i = 1; i < n; i++) {
		struct viewer *v = &c->viewer[i - 1];

		if (p[i].revents && p[i].fd == v->fd && v->out.n)
			give_output(v);
		if (p[i].revents & ~POLLOUT && p[i].fd == v->fd && !v->in.n)
			take_input(v);
		if (v->in.n)
			give_input(c, v);
	}
}

/* Until nobody is to be waited for, as long as they take something. */
static void wait_for_viewers(struct console *c)
{
	struct pollfd p[CONSOLE_VIEWERS];
	int n;

	while (is_held(c)) {
		for (unsigned i = 0; i < CONSOLE_VIEWERS; i++) {
			const struct viewer *v = &c->viewer[i];

			p[i] = (struct pollfd){ .fd = v->out.n ? v->fd : -1,
						.events = POLLOUT };
		}
		n = poll(p, CONSOLE_VIEWERS, DRAIN_MS);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		for (unsigned i = 0; n > 0 && i < CONSOLE_VIEWERS; i++)
			if (p[i].revents)
				give_output(&c->viewer[i]);
	}
}

void console_drain(struct console *c)
{
	for (unsigned i = 0; i < DRAIN_MAX && c->master >= 0; i++) {
		wait_for_viewers(c);
		if (is_held(c) || !take_output(c))
			break;
	}
	wait_for_viewers(c);
}
