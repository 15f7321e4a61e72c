/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"

/*
 * A way has one piece on it at a time: it is read when the one before has been
 * written. What goes into the container is not waited for, or both ends could
 * wait for each other.
 */
#define CHUNK 65536
#define ESCAPE '\033'
#define END_OF_INPUT '\004'
#define QUIET_MS 200
#define ENDING (20 * CLOCK_S) /* for one that was told to end */

struct way {
	struct relay_way *w;
	char data[CHUNK];
	size_t n, done;
	bool escaped;
};

struct state {
	struct relay *r;
	struct way *way;
	int signals, status;
	bool ended, left, over;
	uint64_t until; /* its patience ends; 0: it has no end */
	int lost;	/* why what it said could not be written; 0: it was */
	struct termios saved;
	bool is_raw;
};

static bool is_harmless(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 &&
	       (S_ISFIFO(st.st_mode) ||
		(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)));
}

int relay_stdio(struct relay *r, int fd)
{
	int pipe[2], copy;

	if (is_harmless(fd)) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		return copy < 0 ? -errno : copy;
	}
	if (pipe2(pipe, O_CLOEXEC) < 0)
		return -errno;
	if (fd == STDIN_FILENO) {
		r->way[r->n++] = (struct relay_way){ fd, pipe[1], true, false };
		return pipe[0];
	}
	r->way[r->n++] = (struct relay_way){ pipe[0], fd, false, false };
	return pipe[1];
}

static void terminal_raw(struct state *s)
{
	struct termios raw;

	if (!s->r->raw || tcgetattr(STDIN_FILENO, &s->saved) < 0)
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	s->is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void relay_size(unsigned *rows, unsigned *columns)
{
	struct winsize w;

	*rows = *columns = 0;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &w) == 0) {
		*rows = w.ws_row;
		*columns = w.ws_col;
	}
}

static void tell_size(const struct state *s)
{
	unsigned rows, columns;

	relay_size(&rows, &columns);
	if (s->r->size && rows)
		s->r->size(s->r->ctx, rows, columns);
}

/* The other way may go by the same descriptor. */
static void drop(struct relay *r, int *fd)
{
	int uses = 0;

	for (size_t i = 0; i < r->n; i++)
		uses += (r->way[i].from == *fd) + (r->way[i].to == *fd);
	if (*fd > 2 && uses == 1)
		close(*fd);
	*fd = -1;
}

static void shut(struct relay *r, struct relay_way *w)
{
	drop(r, &w->from);
	drop(r, &w->to);
}

/* Where an Esc is followed by ".", all that came before it is kept. */
static bool leaves(struct way *w)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->escaped && w->data[i] == '.')
			return true;
		w->escaped = w->data[i] == ESCAPE;
	}
	return false;
}

static void take(struct state *s, struct way *w)
{
	ssize_t n = read(w->w->from, w->data, sizeof(w->data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		/* The end of a terminal's input is none of what is in it. */
		if (w->w->ours && (s->r->raw || w->w->types))
			w->w->from = -1;
		else
			shut(s->r, w->w);
		s->over |= w->w->types && !s->r->raw;
		return;
	}
	w->n = (size_t)n;
	w->done = 0;
	if (w->w->ours && s->r->escape && leaves(w))
		s->left = true;
}

/* A socket that others have, too, cannot be told not to wait but each time. */
static ssize_t put(int fd, const char *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 && errno == ENOTSOCK ? write(fd, data, len) : n;
}

static void give(struct state *s, struct way *w)
{
	ssize_t n = put(w->w->to, w->data + w->done, w->n - w->done);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		/* one that was closed was not wanted */
		if (!w->w->ours && errno != EPIPE && errno != EIO && !s->lost)
			s->lost = errno;
		shut(s->r, w->w);
		w->n = w->done = 0;
		return;
	}
	w->done += (size_t)n;
	if (w->done == w->n)
		w->n = w->done = 0;
}

static void tell(const struct state *s, int sig)
{
	if (kill(-s->r->child, sig) < 0)
		kill(s->r->child, sig);
}

/* The first time it is told to end. */
static void cut(struct state *s, enum relay_cut how)
{
	if (s->r->cut) {
		s->left = true;
		return;
	}
	s->r->cut = how;
	s->until = clock_now() + ENDING;
	tell(s, s->r->ender);
}

static void on_signal(struct state *s)
{
	struct signalfd_siginfo si;

	if (read(s->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH) {
		if (!s->ended)
			tell_size(s);
	} else if (si.ssi_signo == SIGCHLD) {
		if (s->r->child && !s->ended &&
		    waitpid(s->r->child, &s->status, WNOHANG) == s->r->child)
			s->ended = true;
	} else if (s->r->child && !s->ended) {
		if (s->r->ender)
			cut(s, RELAY_TOLD);
		else
			tell(s, (int)si.ssi_signo);
	} else {
		s->left = true;
	}
}

/* Has what it gave out all been taken? */
static bool is_dry(const struct state *s)
{
	for (size_t i = 0; i < s->r->n; i++)
		if (!s->way[i].w->ours &&
		    (s->way[i].n || s->way[i].w->from >= 0))
			return false;
	return true;
}

/* Is there something of its output that nobody takes just now? */
static bool is_held_up(const struct state *s)
{
	for (size_t i = 0; i < s->r->n; i++)
		if (!s->way[i].w->ours && s->way[i].n)
			return true;
	return false;
}

/* `ms`, or until its patience ends. */
static int patience(const struct state *s, int ms)
{
	uint64_t now = s->until ? clock_now() : 0, left;

	if (!s->until)
		return ms;
	left = now >= s->until ? 0 : (s->until - now) / CLOCK_MS + 1;
	return ms < 0 || left < (uint64_t)ms ? (int)left : ms;
}

/* True: nothing happened within `ms`. */
static bool step(struct state *s, int ms)
{
	struct pollfd p[RELAY_WAYS + 1];
	size_t n = s->r->n;

	for (size_t i = 0; i < n; i++) {
		const struct way *w = &s->way[i];
		bool full = w->n > 0;

		p[i] = (struct pollfd){ .fd = full ? w->w->to : w->w->from,
					.events = full ? POLLOUT : POLLIN };
		if (s->ended && w->w->ours)
			p[i].fd = -1;
	}
	p[n] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	if (poll(p, n + 1, patience(s, ms)) <= 0)
		return true;
	if (p[n].revents)
		on_signal(s);
	for (size_t i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		if (s->way[i].n)
			give(s, &s->way[i]);
		else
			take(s, &s->way[i]);
	}
	return false;
}

/*
 * What has come to its end is told so when it is quiet: it may not have begun
 * to read, or be followed by another that reads.
 */
static void type_end(struct state *s)
{
	for (size_t i = 0; i < s->r->n; i++) {
		struct way *w = &s->way[i];

		if (!w->w->types || w->n)
			continue;
		w->data[0] = END_OF_INPUT;
		w->n = 1;
		w->done = 0;
	}
}

static void run(struct state *s)
{
	while (!s->ended && !s->left && !(s->r->child == 0 && is_dry(s))) {
		if (step(s, s->over ? QUIET_MS : -1) && s->over)
			type_end(s);
		if (s->until && !s->ended && clock_now() >= s->until)
			cut(s, RELAY_LATE);
	}
	/* What it said is waited for; others may hold its output open for ever. */
	while (s->ended && !s->left && !is_dry(s) &&
	       !step(s, is_held_up(s) ? -1 : 0))
		;
}

/*
 * Who waits in a write hears no signal. Those of others stay as they are: what
 * they have is opened once more, but for files, where we would lose our place.
 */
static void do_not_wait(int *fd)
{
	struct stat st;
	int own;

	if (*fd > 2) {
		fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK);
	} else if (isatty(*fd) ||
		   (fstat(*fd, &st) == 0 && S_ISFIFO(st.st_mode))) {
		own = fdio_reopen(*fd, O_WRONLY | O_NONBLOCK | O_NOCTTY);
		if (own >= 0)
			*fd = own;
	}
}

int relay_run(struct relay *r)
{
	static const int heard[] = { SIGCHLD, SIGWINCH, SIGINT,
				     SIGTERM, SIGQUIT,	SIGHUP };
	struct state s = { .r = r, .way = calloc(RELAY_WAYS, sizeof(*s.way)) };
	sigset_t set, before;

	if (!s.way)
		return -ENOMEM;
	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_SIZE(heard); i++)
		sigaddset(&set, heard[i]);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, &before);
	s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (size_t i = 0; i < r->n; i++) {
		s.way[i].w = &r->way[i];
		do_not_wait(&r->way[i].to);
	}
	/* It may have ended before anybody listened. */
	if (r->child && waitpid(r->child, &s.status, WNOHANG) == r->child)
		s.ended = true;
	terminal_raw(&s);
	tell_size(&s);
	if (r->ms)
		s.until = clock_now() + r->ms * CLOCK_MS;
	run(&s);
	if (r->cut && !s.ended)
		s.status = W_EXITCODE(0, SIGKILL);
	if (s.is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s.saved);
	if (s.lost)
		log_error("writing what it said: %s", strerror(s.lost));
	if (s.lost && s.status == 0)
		s.status = W_EXITCODE(EXIT_FAILURE, 0);
	for (size_t i = 0; i < r->n; i++)
		shut(r, &r->way[i]);
	cleanup_closep(&s.signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(s.way);
	return s.status;
}
