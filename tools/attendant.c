/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/attendant.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/control.h"
#include "tools/ct/procserve.h"
#include "tools/ct/wire.h"
#include "tools/ctjob.h"

/*
 * It may be killed between any two steps, so it keeps in *m what the next one
 * is to know, and writes that before it acts: `ending`, who waits for that, and
 * then the container is told. It is told once more by the next attendant. A
 * start script is not begun twice: the kernel itself notes in m->job that it
 * began, the monitor that it is over.
 *
 * What is run inside is a job in a process of its own (ctjob.h): nothing that a
 * container does, or does not do, keeps us from what we are asked for.
 *
 * `starting`: it runs, and who started it is still to be told: when its script
 * has run, and it has lived for a moment. What ends by then did not start.
 *
 * `ending` is what happens when the first process has ended: nothing was asked
 * (it ended by itself, or rebooted), a stop, a restart.
 */
#define PATIENCE_MS 200
#define ABANDONED_S 10 /* to end for who lost the one who ran it */

enum { SIGNALS, LISTENER, POKED, INIT, WATCHED }; /* besides the console */

/* ---- jobs, and its end -------------------------------------------------------- */

static struct ctjob job_of(struct monitor *m)
{
	return (struct ctjob){ .store = m->plan->store,
			       .where = { .spec = &m->spec,
					  .pidfd = m->init.pidfd,
					  .group = m->group,
					  .sender = -1 },
			       .init = m->init.pid,
			       .pid = (pid_t *)&m->job };
}

/* The one that there may be is killed, and nobody's any more. */
static void end_job(struct monitor *m)
{
	pid_t pid = m->job;
	_cleanup_close_ int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0)
					 : -1;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	/* While the monitor still notes it, it has that number. */
	if (fd >= 0 && m->job == pid) {
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		while (poll(&p, 1, -1) < 0 && errno == EINTR)
			;
	}
	m->job = 0;
}

/* Its number is its own: the monitor waits for it when we are gone. */
static void signal_init(const struct monitor *m, int sig)
{
	kill(m->init.pid, sig);
}

static void tell_init(struct monitor *m)
{
	const struct ctjob j = job_of(m);
	struct why why = { "" };

	/* What is frozen hears nothing. */
	if (cgroup_is_frozen(m->group) &&
	    cgroup_freeze(m->group, false, &why) < 0)
		log_warn("container %s: %s", m->one.id, why.text);
	end_job(m);
	if (!m->fast && ctjob_end(&j) < 0)
		m->fast = true;
	if (m->fast)
		signal_init(m, SIGKILL);
}

/* To be told, by tell_init(). */
static void want_end(struct monitor *m, enum monitorpriv_end how,
		     unsigned seconds, bool fast)
{
	m->fast = fast;
	m->deadline = clock_now() + seconds * CLOCK_S;
	/* A stop that was asked for is not made a restart. */
	if (m->ending != MONITORPRIV_STOP)
		m->ending = how;
}

static void run_start_script(struct monitor *m)
{
	const struct ctjob j = job_of(m);
	int r = 0;

	if (m->job == 0 && !m->job_over && !m->plan->bare)
		r = ctjob_start(&j);
	m->scripted = true;
	if (r >= 0)
		return;
	log_error("container %s: a process: %s", m->one.id, strerror(-r));
	m->job_failed = true;
	m->job_over = true;
}

static void on_job_over(struct monitor *m)
{
	if (m->starting && m->job_failed &&
	    m->ending == MONITORPRIV_BY_ITSELF) {
		/* Its script has told why. */
		m->script_failed = true;
		want_end(m, MONITORPRIV_STOP, 0, true);
		tell_init(m);
	}
	m->job_over = false;
}

/* ---- being asked ------------------------------------------------------------- */

static void answer(int fd, const char *text)
{
	control_answer(fd, text);
	close(fd);
}

static void on_end_wanted(struct monitor *m, enum monitorpriv_end how,
			  const char *rest, int fd)
{
	unsigned seconds = 0, at = 0;
	char word[8] = "";

	if (sscanf(rest, "%u %7s", &seconds, word) < 1) {
		answer(fd, "error: how many seconds?");
		return;
	}
	while (at < MONITORPRIV_WAITING && m->waiting[at] >= 0)
		at++;
	if (at == MONITORPRIV_WAITING) {
		answer(fd, "error: too many wait for its end already");
		return;
	}
	/* Nobody waits for what is not wanted. */
	want_end(m, how, seconds, strcmp(word, "fast") == 0);
	m->waiting[at] = fd;
	tell_init(m);
}

static void on_console(struct monitor *m, int fd)
{
	static const char ok[] = "ok\n";

	if (!m->console)
		answer(fd, "error: it has no console");
	else if (console_take_viewer(m->console, fd, false) < 0)
		answer(fd, "error: too many look at it already");
	else
		(void)!send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL);
}

/* Who runs more in it has that answered, too. */
static void on_sender(struct monitor *m, int fd)
{
	struct wire_message w = { .what = WIRE_LISTEN };
	unsigned answered;
	int sender = inside_sender(m->inside, &answered);

	w.number = (int)answered;
	if (wire_say(fd, &w, sender) < 0)
		log_debug("who asked is gone");
	close(fd);
}

/*
 * Nothing is looked up in it here: its server may be one that has to be
 * replaced.
 */
static void on_files(struct monitor *m, unsigned kind, int fd)
{
	const struct wire_message w = { .what = WIRE_FILES };
	int mount = -1;

	if (kind < FUSEPROC_MOUNTS)
		mount = inside_files(m->inside, kind);
	if (wire_say(fd, &w, mount) < 0)
		log_debug("who asked is gone");
	close(fd);
}

static void on_request(struct monitor *m)
{
	char line[CONTROL_LINE];
	unsigned rows, columns, kind;
	int fd = control_accept(m->listener, PATIENCE_MS, line);

	if (fd < 0)
		return;
	if (strncmp(line, "stop ", 5) == 0) {
		on_end_wanted(m, MONITORPRIV_STOP, line + 5, fd);
	} else if (strncmp(line, "restart ", 8) == 0) {
		on_end_wanted(m,
			      m->plan->once ? MONITORPRIV_RESTART
					    : MONITORPRIV_STOP,
			      line + 8, fd);
	} else if (strcmp(line, "console") == 0) {
		on_console(m, fd);
	} else if (strcmp(line, "sender") == 0) {
		on_sender(m, fd);
	} else if (sscanf(line, "files %u", &kind) == 1) {
		on_files(m, kind, fd);
	} else if (sscanf(line, "size %u %u", &rows, &columns) == 2) {
		if (m->console)
			console_resize(m->console, rows, columns);
		answer(fd, "ok");
	} else {
		answer(fd, "error: what is known is stop, restart, console, "
			   "size, sender, files");
	}
}

static void on_signal(struct monitor *m, int sig)
{
	if (m->plan->stdio && sig != SIGHUP) {
		/* What reaches who runs it is meant for what runs. */
		signal_init(m, ctjob_catches(m->init.pid, sig) ? sig : SIGKILL);
		return;
	}
	want_end(m, MONITORPRIV_STOP,
		 m->plan->once ? ABANDONED_S : m->spec.stop_timeout, false);
	tell_init(m);
}

static void take_signal(struct monitor *m)
{
	struct signalfd_siginfo si;

	/* Children are the monitor's. */
	if (read(m->signals, &si, sizeof(si)) == sizeof(si) &&
	    si.ssi_signo != SIGCHLD)
		on_signal(m, (int)si.ssi_signo);
}

/* By the monitor, which may have told one that is dead. */
static void look_what_is_new(struct monitor *m)
{
	uint64_t n;
	int sig;

	if (read(m->poke, &n, sizeof(n)) < 0)
		log_debug("container %s: nothing is new", m->one.id);
	sig = m->signal;
	if (sig)
		on_signal(m, sig);
	/* Another one may have come. */
	atomic_compare_exchange_strong(&m->signal, &sig, 0);
	if (m->job_over)
		on_job_over(m);
}

/* ---- its beginning ----------------------------------------------------------- */

static void report(const struct monitor *m, int fd, const char *text)
{
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		log_debug("nobody waits for container %s", m->one.id);
}

/* Nobody is to be told twice, but rather that than never. */
static void tell_starter(struct monitor *m)
{
	int fd = m->report;

	report(m, fd, "ok\n");
	m->report = -1;
	if (!m->plan->stdio) {
		monitorpriv_background(fd);
		log_to_syslog();
	}
	m->told = true;
}

/* It has started, or started again. */
static void on_started(struct monitor *m)
{
	if (m->told) {
		log_info("container %s runs again", m->one.id);
		monitorpriv_answer_all(m, "ok");
	} else {
		tell_starter(m);
	}
	m->starting = false;
}

static bool is_settling(const struct monitor *m)
{
	return m->starting && !m->job && !m->job_over &&
	       m->ending == MONITORPRIV_BY_ITSELF;
}

/* ---- attending ----------------------------------------------------------------- */

static int patience(const struct monitor *m)
{
	uint64_t now = clock_now(), until = m->deadline;

	if (is_settling(m) && (!until || m->settled < until))
		until = m->settled;
	if (!until)
		return -1;
	return now >= until ? 0 : (int)((until - now) / CLOCK_MS) + 1;
}

static void on_time(struct monitor *m)
{
	uint64_t now = clock_now();

	if (m->deadline && now >= m->deadline) {
		m->fast = true;
		tell_init(m);
		m->deadline = 0;
	}
	if (is_settling(m) && now >= m->settled)
		on_started(m);
}

/* Until the first process has ended. */
static void watch(struct monitor *m)
{
	const int fds[WATCHED] = { m->signals, m->listener, m->poke,
				   m->init.pidfd };
	struct pollfd p[CONSOLE_FDS + WATCHED];
	size_t n;

	for (;;) {
		for (unsigned i = 0; i < WATCHED; i++)
			p[i] = (struct pollfd){ .fd = fds[i],
						.events = POLLIN };
		n = m->console ? console_poll(m->console, p + WATCHED) : 0;
		if (poll(p, n + WATCHED, patience(m)) < 0)
			continue;
		if (n)
			console_handle(m->console, p + WATCHED, n);
		if (p[INIT].revents)
			return;
		if (p[LISTENER].revents)
			on_request(m);
		if (p[POKED].revents)
			look_what_is_new(m);
		if (p[SIGNALS].revents)
			take_signal(m);
		on_time(m);
	}
}

/* What the one before us has left undone. */
static void resume(struct monitor *m)
{
	if (m->told && !m->plan->stdio)
		log_to_syslog();
	if (m->console)
		console_resume(m->console);
	if (m->starting && !m->scripted)
		run_start_script(m);
	else if (m->ending != MONITORPRIV_BY_ITSELF)
		tell_init(m);
	look_what_is_new(m);
}

void attendant_run(struct monitor *m)
{
	/* Not in a group of processes that a terminal signals. */
	setsid();
	prctl(PR_SET_NAME, "vefs-attendant");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != m->pid)
		_exit(1);
	resume(m);
	watch(m);
	end_job(m);
	if (m->console)
		console_drain(m->console);
	_exit(0);
}
