/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/quotalink.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/parse.h"
#include "fs/control.h"

/*
 * A connection that breaks is the death of a worker: the next one is soon
 * there, and until it is, whoever connects waits. After anything else than a
 * whole answer the connection is closed, so that what comes late is nobody's.
 */
#define MORE_THAN_LINES 1024 /* "ok", ". ERRNO", or the sentence of an error */
#define PAUSE_MS 20	     /* after a session that was not had */

struct quotalink {
	dev_t dev;
	unsigned ms;
	int fd; /* -1: not connected */
};

struct quotalink *quotalink_new(dev_t dev, unsigned ms)
{
	struct quotalink *l = calloc(1, sizeof(*l));

	if (l)
		*l = (struct quotalink){ .dev = dev, .ms = ms, .fd = -1 };
	return l;
}

static void hang_up(struct quotalink *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void quotalink_free(struct quotalink *l)
{
	if (!l)
		return;
	hang_up(l);
	free(l);
}

/* Until `due`: 0, or -ETIMEDOUT. */
static int patience(int fd, uint64_t due)
{
	uint64_t now = clock_now(), us;
	struct timeval t;

	if (now >= due)
		return -ETIMEDOUT;
	us = (due - now) / CLOCK_US + 1;
	t = (struct timeval){ .tv_sec = (time_t)(us / 1000000),
			      .tv_usec = (suseconds_t)(us % 1000000) };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return 0;
}

/*
 * Where in text[len] the last line begins if it is ". ERRNO", which ends an
 * answer; NULL: there is more to come.
 */
static char *find_end(char *text, size_t len)
{
	char *last;

	if (len == 0 || text[len - 1] != '\n')
		return NULL;
	text[len - 1] = '\0';
	last = strrchr(text, '\n');
	last = last ? last + 1 : text;
	text[len - 1] = '\n';
	return strncmp(last, ". ", 2) == 0 ? last : NULL;
}

/*
 * A whole answer in text[size]. 0 or what the worker says; -ECONNRESET it is
 * gone; -ETIMEDOUT, -EMSGSIZE, -EPROTO.
 */
static int hear(struct quotalink *l, char *text, size_t size, uint64_t due)
{
	const char *number;
	size_t n = 0;
	char *end = NULL;
	uint64_t err;

	while (!end) {
		ssize_t k;

		if (n == size - 1)
			return -EMSGSIZE;
		k = recv(l->fd, text + n, size - 1 - n, 0);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			return -ETIMEDOUT;
		if (k <= 0)
			return -ECONNRESET;
		n += (size_t)k;
		text[n] = '\0';
		end = find_end(text, n);
		if (!end && patience(l->fd, due) < 0)
			return -ETIMEDOUT;
	}
	number = end + 2;
	if (parse_u64_at(&number, 4095, &err) < 0 || strcmp(number, "\n") != 0)
		return -EPROTO;
	*end = '\0';
	if (strncmp(text, err ? "error: " : "ok\n", err ? 7 : 3) != 0)
		return -EPROTO;
	return -(int)err;
}

/* These are our own: they say nothing of the request. */
static bool is_broken(int r)
{
	return r == -ECONNRESET || r == -EPIPE || r == -ETIMEDOUT ||
	       r == -EMSGSIZE || r == -EPROTO;
}

static int connect_to(struct quotalink *l, uint64_t due)
{
	char text[MORE_THAN_LINES];
	int r;

	l->fd = control_connect_dev(l->dev, CONTROL_QUOTA, "session");
	if (l->fd < 0)
		return l->fd;
	r = patience(l->fd, due);
	return r < 0 ? r : hear(l, text, sizeof(text), due);
}

static int try(struct quotalink *l, const char *line, char *text, size_t size,
	       uint64_t due)
{
	size_t len = strlen(line);
	ssize_t k;
	int r = l->fd < 0 ? connect_to(l, due) : patience(l->fd, due);

	if (r < 0)
		return r;
	do
		k = send(l->fd, line, len, MSG_NOSIGNAL);
	while (k < 0 && errno == EINTR);
	if (k != (ssize_t)len)
		return -ECONNRESET;
	return hear(l, text, size, due);
}

int quotalink_ask(struct quotalink *l, const char *request, char *answer,
		  size_t len)
{
	const uint64_t due = clock_now() + l->ms * CLOCK_MS;
	_cleanup_free_ char *text = NULL;
	const size_t size = len + MORE_THAN_LINES;
	char line[CONTROL_LINE];
	int r, n = snprintf(line, sizeof(line), "%s\n", request);

	if (n < 0 || (size_t)n >= sizeof(line))
		return -ENAMETOOLONG;
	text = malloc(size);
	if (!text)
		return -ENOMEM;
	for (;;) {
		const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000 };

		r = try(l, line, text, size, due);
		if (is_broken(r))
			hang_up(l);
		if ((r != -ECONNRESET && r != -EPIPE) || clock_now() >= due)
			break;
		nanosleep(&pause, NULL);
	}
	if (r == -EMSGSIZE)
		return r;
	if (is_broken(r))
		return -EIO;
	if (r < 0)
		return r;
	/* Behind "ok". */
	if (strlen(text) - 3 >= len)
		return -EMSGSIZE;
	memcpy(answer, text + 3, strlen(text + 3) + 1);
	return 0;
}
