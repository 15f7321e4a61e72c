/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/monitorhold.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/forkshare.h"
#include "fs/base/log.h"
#include "tools/attendant.h"

/*
 * An attendant: none -> runs -> has left, when the container's first process
 * has ended (`over`); or died -> none, and the next one begins with what that
 * one left.
 *
 * All children are the monitor's: the first process, the two that serve what
 * is inside, jobs that the attendant begins (CLONE_PARENT), and whoever loses
 * his parent (PR_SET_CHILD_SUBREAPER). The first process is not waited for
 * while there is an attendant: until then its number is nobody else's.
 *
 * What an attendant that died had open and nobody knows of is closed before the
 * next one is made, so that who talked with it hears that it is gone: all that
 * is not in `ours`, which was open before the first one, and does not belong
 * to what both of them know.
 */
#define OURS 4096 /* descriptors */
#define SOON (1 * CLOCK_S)
#define SOON_MAX 3 /* deaths in a row that cost no pause */
#define PAUSE (CLOCK_S / 5)
#define LEAVE (10 * CLOCK_S) /* when it has ended: to show all it said */

struct holding {
	struct monitor *m;
	pid_t attendant; /* 0: none */
	uint64_t since;
	uint64_t next;	/* not before that */
	uint64_t ended; /* when the first process was seen to have; 0: not yet */
	unsigned soon;
	bool over, apart;
	uint8_t ours[OURS / 8];
};

/* ---- descriptors ---------------------------------------------------------- */

/* Does it come and go, and is known? */
static bool is_known(const struct monitor *m, int fd)
{
	bool known = fd == m->report || inside_has(m->inside, fd) ||
		     (m->console && console_has(m->console, fd));

	for (unsigned i = 0; i < MONITORPRIV_WAITING; i++)
		known |= fd == m->waiting[i];
	return known;
}

static void each_fd(struct holding *h, void (*fn)(struct holding *, int))
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd;

		if (sscanf(e->d_name, "%d", &fd) == 1 && fd != dirfd(d))
			fn(h, fd);
	}
}

static void note_ours(struct holding *h, int fd)
{
	if (fd < OURS && !is_known(h->m, fd))
		h->ours[fd / 8] |= (uint8_t)(1u << fd % 8);
}

static void close_unknown(struct holding *h, int fd)
{
	bool ours = fd < OURS && h->ours[fd / 8] & 1u << fd % 8;

	if (!ours && !is_known(h->m, fd))
		close(fd);
}

/* ---- the attendant --------------------------------------------------------- */

static void spawn(struct holding *h)
{
	struct monitor *m = h->m;
	pid_t pid = forkshare();

	if (pid == 0)
		attendant_run(m);
	h->since = clock_now();
	if (pid > 0) {
		h->attendant = pid;
		return;
	}
	log_warn("container %s: no process for its attendant: %s", m->one.id,
		 strerror(errno));
	h->next = h->since + PAUSE;
}

static void on_attendant_end(struct holding *h, int status)
{
	struct monitor *m = h->m;
	uint64_t now = clock_now();

	h->attendant = 0;
	each_fd(h, close_unknown);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		h->over = true;
		return;
	}
	h->soon = now - h->since < SOON ? h->soon + 1 : 0;
	h->next = h->soon > SOON_MAX ? now + PAUSE : 0;
	/* It may be what they say, or do not take, that it dies of. */
	if (h->soon == SOON_MAX && m->console)
		console_drop_viewers(m->console);
	log_warn(
		"container %s: its monitor's attendant %s: another one goes on",
		m->one.id, WIFSIGNALED(status) ? "was killed" : "failed");
}

static void poke(const struct monitor *m)
{
	const uint64_t one = 1;

	if (write(m->poke, &one, sizeof(one)) < 0)
		log_debug("container %s: %s", m->one.id, strerror(errno));
}

/* ---- children ---------------------------------------------------------------- */

/* Still there to be waited for: nobody has its number. */
static void note_job(struct monitor *m, const siginfo_t *si)
{
	m->job_failed = si->si_code != CLD_EXITED || si->si_status != 0;
	m->job_over = true;
	m->job = 0;
	poke(m);
}

static void reap(struct holding *h)
{
	struct monitor *m = h->m;
	siginfo_t si;
	int status;

	for (;;) {
		/* Those behind the first process would not be seen. */
		if (h->attendant &&
		    waitpid(h->attendant, &status, WNOHANG) == h->attendant)
			on_attendant_end(h, status);
		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    si.si_pid == 0)
			return;
		if (si.si_pid == h->attendant)
			continue;
		if (si.si_pid == m->init.pid) {
			if (!h->ended)
				h->ended = clock_now();
			return;
		}
		if (si.si_pid == m->job)
			note_job(m, &si);
		waitpid(si.si_pid, NULL, 0);
		inside_reaped(m->inside, si.si_pid);
	}
}

static void on_signal(struct holding *h)
{
	struct signalfd_siginfo si;

	if (read(h->m->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD) {
		reap(h);
		return;
	}
	h->m->signal = (int)si.ssi_signo;
	poke(h->m);
}

/* ---- holding ----------------------------------------------------------------- */

/* One that does not leave is of no use any more. */
static void on_time(struct holding *h)
{
	uint64_t now = clock_now();

	if (h->ended && now >= h->ended + LEAVE) {
		if (h->attendant)
			kill(h->attendant, SIGKILL);
		else
			h->over = true;
	} else if (!h->attendant && !h->over && now >= h->next) {
		spawn(h);
	}
}

static int patience(const struct holding *h)
{
	uint64_t now = clock_now(), until = h->attendant ? 0 : h->next;

	if (h->ended)
		until = h->ended + LEAVE;
	if (!until)
		return -1;
	return now >= until ? 0 : (int)((until - now) / CLOCK_MS) + 1;
}

/* Who started it is gone, and our standard error with him. */
static void part(struct holding *h)
{
	if (h->apart || !h->m->told || h->m->plan->stdio)
		return;
	h->apart = true;
	log_to_syslog();
}

void monitorhold(struct monitor *m)
{
	struct holding h = { .m = m };
	struct pollfd p[] = {
		{ .fd = m->signals, .events = POLLIN },
		{ .fd = inside_fd(m->inside), .events = POLLIN },
	};

	each_fd(&h, note_ours);
	spawn(&h);
	while (!h.over) {
		int n = poll(p, ARRAY_SIZE(p), patience(&h));

		part(&h);
		if (n > 0 && p[1].revents)
			inside_handle(m->inside);
		if (n > 0 && p[0].revents)
			on_signal(&h);
		on_time(&h);
	}
	while (waitpid(m->init.pid, &m->status, 0) < 0 && errno == EINTR)
		;
}
