/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/monitor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/forkshare.h"
#include "fs/base/log.h"
#include "fs/control.h"
#include "tools/ct/cgroup.h"
#include "tools/ct/console.h"
#include "tools/ct/launch.h"
#include "tools/ct/usual.h"
#include "tools/ctmount.h"
#include "tools/monitorend.h"
#include "tools/monitorhold.h"
#include "tools/monitorpriv.h"
#include "tools/monitorstart.h"

/*
 * Two processes. This one makes the container, holds it while it runs
 * (monitorhold.h), and takes it away: it is the parent of its first process and
 * has all that must not be lost. Its child, the attendant (attendant.h), does
 * what there is to do meanwhile, and can be killed: the next one goes on.
 *
 * What there is of a container outside of it goes in the reverse order of how
 * it came; has_* say what came. All of it is found by its names, so that what
 * a monitor that was killed has left is taken away by the next one.
 *
 *	monitorstart_begin()	groups, first process, network, go
 *	monitorhold()		until it has ended
 *	monitorstart_clear()	all of it away, but the groups
 *	finish()		the mount
 *	monitorend()		the groups
 */
#define CLEAR_MS 10000
#define LOOP_MAX 5 /* reboots in a row, each within LOOP_MS */
#define LOOP_MS 2000

/* ---- its end ------------------------------------------------------------------
 */

static void note_end(struct monitor *m)
{
	char *text = m->state.ended;
	const size_t size = sizeof(m->state.ended);
	int sig = WIFSIGNALED(m->status) ? WTERMSIG(m->status) : 0;

	if (sig == SIGINT)
		snprintf(text, size, "halted");
	else if (sig == SIGHUP)
		snprintf(text, size, "rebooted");
	else if (sig)
		snprintf(text, size, "killed by SIG%s",
			 sigabbrev_np(sig) ? sigabbrev_np(sig) : "?");
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(m->status));
	m->state.init = 0;
	if (m->ending == MONITORPRIV_BY_ITSELF && !m->starting &&
	    sig != SIGHUP && !m->plan->once)
		log_info("container %s has ended: %s", m->one.id, text);
}

static bool goes_on(struct monitor *m)
{
	bool rebooted = WIFSIGNALED(m->status) && WTERMSIG(m->status) == SIGHUP;

	if (m->ending != MONITORPRIV_BY_ITSELF)
		return m->ending == MONITORPRIV_RESTART;
	if (!rebooted || m->plan->once)
		return false;
	m->loops = clock_now() - m->began < LOOP_MS * CLOCK_MS ? m->loops + 1
							       : 0;
	if (m->loops < LOOP_MAX)
		return true;
	log_error("container %s reboots again and again: it stays down",
		  m->one.id);
	return false;
}

/* It has ended. True: and begun again. */
static bool begins_again(struct monitor *m)
{
	struct why why = { "" };
	char text[CONTROL_LINE];
	int r;

	if (m->console)
		console_take_master(m->console, -1);
	cleanup_closep(&m->init.pidfd);
	m->init = LAUNCH_NONE;
	note_end(m);
	monitorstart_clear(m);
	if (!goes_on(m))
		return false;
	/* Its limits may have changed: it has none of before. */
	monitorstart_ungroup(m);
	r = monitorstart_begin(m, &why);
	if (r == 0)
		return true;
	snprintf(text, sizeof(text), "error: %s", why.text);
	log_error("container %s: %s", m->one.id, why.text);
	snprintf(m->state.ended, sizeof(m->state.ended),
		 "could not be started again");
	monitorpriv_answer_all(m, text);
	return false;
}

/* ---- from beginning to end ----------------------------------------------------
 */

static int prepare(struct monitor *m, struct why *why)
{
	int r = container_open(m->plan->catalog, m->plan->id, false, &m->one,
			       why);

	if (r < 0)
		return r;
	runstate_names(m->plan->store, m->one.id, &m->state);
	m->state.monitor = getpid();
	r = m->run = monitorpriv_folder(&m->one);
	if (r < 0)
		return why_sys(why, r, "container %s: " RUNSTATE_FOLDER,
			       m->one.id);
	r = monitorpriv_lock(m->run);
	if (r == -EBUSY)
		return why_set(why, r,
			       "container %s is still starting or ending",
			       m->one.id);
	if (r == 0)
		r = m->poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r >= 0)
		r = m->signals = monitorpriv_signals();
	if (r >= 0)
		r = m->listener = monitorpriv_listen(m->run);
	if (r < 0)
		return why_sys(why, r, "container %s: " RUNSTATE_CONTROL,
			       m->one.id);
	if (m->plan->stdio)
		return 0;
	r = console_new(&m->console, m->run, RUNSTATE_LOG);
	if (r == 0 && m->plan->viewer >= 0)
		r = console_take_viewer(m->console, m->plan->viewer, true);
	return r < 0 ? why_sys(why, r, "container %s: " RUNSTATE_LOG, m->one.id)
		     : 0;
}

static void finish(struct monitor *m)
{
	struct why why = { "" };
	char text[CONTROL_LINE] = "ok";
	bool down = !m->plan->bare;
	int r;

	/* Nothing is held any more, and scripts of the host are to come. */
	usual_newborn();
	/* Who sees that it is unmounted may ask how it ended. */
	m->state.monitor = 0;
	if (!m->plan->passing && runstate_write(&m->one, &m->state) < 0)
		log_warn("container %s: its end cannot be noted", m->one.id);
	r = m->group ? cgroup_unthrottle(m->group) : 0;
	if (r < 0)
		log_warn("container %s: its I/O limits hold for its end: %s",
			 m->one.id, strerror(-r));
	r = m->plan->bare ? 0 : ctmount_off(m->plan->store, &m->one, &why);
	/* It ends meanwhile. */
	inside_free(m->inside);
	m->inside = NULL;
	if (r > 0)
		r = ctmount_gone(m->plan->store, &m->one, CLEAR_MS, &why);
	if (r < 0) {
		down = !container_is_mounted(&m->one);
		log_warn("container %s: %s", m->one.id, why.text);
		snprintf(text, sizeof(text), "error: it is down, but %s: %s",
			 down ? "not all is well" : "still mounted", why.text);
	}
	unlinkat(m->run, RUNSTATE_CONTROL, 0);
	monitorend(m, down, text);
}

/* It ended before it had started: as an error. */
static int not_started(struct monitor *m, struct why *why)
{
	if (m->script_failed)
		return why_set(why, -ECANCELED,
			       "container %s: its start script failed",
			       m->one.id);
	if (m->ending != MONITORPRIV_BY_ITSELF)
		return why_set(why, -ECANCELED,
			       "container %s was stopped while it started",
			       m->one.id);
	return why_set(why, -ECHILD,
		       "container %s: its first process ended at once: %s "
		       "('vefs logs %s' shows what it said)",
		       m->one.id, m->state.ended, m->one.id);
}

/* What is the process's. */
static int be_monitor(struct why *why)
{
	usual_monitor();
	prctl(PR_SET_NAME, "vefs-monitor");
	/* For when there is no standard error any more. */
	log_syslog(log_syslog_open());
	if (chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return why_sys(why, -errno, "being a monitor");
	return 0;
}

static int run(struct monitor *m, struct why *why)
{
	int r = be_monitor(why);

	if (r == 0)
		r = prepare(m, why);
	if (r == 0)
		r = monitorstart_begin(m, why);
	if (r < 0) {
		if (m->run >= 0)
			unlinkat(m->run, RUNSTATE_CONTROL, 0);
		monitorend(m, false, "error: it did not start");
		return r;
	}
	do
		monitorhold(m);
	while (begins_again(m));
	finish(m);
	return m->told || (m->plan->once && !m->script_failed)
		       ? m->status
		       : not_started(m, why);
}

int monitor_run(const struct monitor_plan *p, struct why *why)
{
	struct monitor *m = forkshare_memory(sizeof(*m));
	struct monitor_plan plan = *p;
	char store[PATH_MAX];
	int r;

	if (!m)
		return why_sys(why, -ENOMEM, "a monitor");
	/* A monitor is nowhere. */
	if (realpath(p->store, store))
		plan.store = store;
	*m = (struct monitor){ .plan = &plan,
			       .one = CONTAINER_NONE,
			       .init = LAUNCH_NONE,
			       .pid = getpid(),
			       .run = -1,
			       .signals = -1,
			       .listener = -1,
			       .poke = -1,
			       .report = p->report };
	for (unsigned i = 0; i < MONITORPRIV_WAITING; i++)
		m->waiting[i] = -1;
	r = run(m, why);
	console_free(m->console);
	spec_free(&m->spec);
	cleanup_closep(&m->poke);
	cleanup_closep(&m->listener);
	cleanup_closep(&m->signals);
	cleanup_closep(&m->run);
	container_close(&m->one);
	forkshare_free(m, sizeof(*m));
	return r;
}
