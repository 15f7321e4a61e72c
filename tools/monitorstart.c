/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/monitorstart.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "fs/base/clock.h"
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ct/jail.h"
#include "tools/ct/net.h"
#include "tools/ct/netfiles.h"
#include "tools/ctlive.h"
#include "tools/ctwords.h"

#define CLEAR_MS 10000
#define SETTLE_MS 20

/* Who serves its root counts as its own, and outlives its limits. */
static void adopt_daemons(struct monitor *m)
{
	struct why why = { "" };
	pid_t pids[MONITORPRIV_DAEMONS];
	int n = monitorpriv_daemons(m->one.root, pids);

	/* Those that were mounted by a start are there already. */
	for (int i = 0; i < n; i++)
		if (!monitorpriv_serves(pids[i], m->state.group) &&
		    cgroup_attach(m->group, CGROUP_DAEMON, pids[i], &why) < 0)
			log_warn("container %s: %s", m->one.id, why.text);
}

/*
 * Where a group cannot keep it from devices, its user namespace does; without
 * one nothing would.
 */
static int limit_devices(struct monitor *m, struct why *why)
{
	_cleanup_free_ struct spec_device *list = NULL;
	struct why said = { "" };
	int n = jail_devices(&m->spec, &list), r;

	r = n < 0 ? n : cgroup_devices(m->group, list, (size_t)n, &said);
	if (r != -EOPNOTSUPP || !m->spec.count)
		return r < 0 ? why_sys(why, r, "%s", said.text) : r;
	log_warn("container %s: %s; its ids alone keep it from devices",
		 m->one.id, said.text);
	return 0;
}

static int make_groups(struct monitor *m, struct why *why)
{
	const uint32_t may_lack = 1u << SPEC_IOPRIO;
	struct why warning = { "" };
	/* Only the first time. */
	bool made = m->plan->has_groups && !m->began;
	int r = cgroup_open(&m->group, m->state.group, !made,
			    m->spec.count ? m->spec.base : 0, why);

	if (r == 0)
		r = cgroup_set(m->group, &m->spec.limits, may_lack, &warning);
	if (warning.text[0])
		log_warn("container %s: %s", m->one.id, warning.text);
	if (r < 0)
		return why_set(why, r, "%s", warning.text);
	r = limit_devices(m, why);
	if (r == 0)
		r = cgroup_enter(m->group, CGROUP_DAEMON, why);
	if (r == 0 && !(made && m->plan->daemons_in))
		adopt_daemons(m);
	return r;
}

static int make_network(struct monitor *m, struct why *why)
{
	_cleanup_close_ int ns = -1, root = -1;
	int r;

	if (m->plan->bare)
		return 0;
	root = open(m->one.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = root < 0 ? why_sys(why, -errno, "%s", m->one.root)
		     : netfiles_write(root, &m->spec, why);
	if (r < 0 || m->spec.net.mode == SPEC_NET_HOST)
		return r;
	ns = launch_netns(m->init.pid);
	if (ns < 0)
		return why_sys(why, ns, "its network namespace");
	r = net_up(&m->spec.net, m->state.net, ns, why);
	m->has_net = r == 0;
	return r;
}

void monitorstart_clear(struct monitor *m)
{
	struct why why = { "" };
	int r = 0;

	if (m->inside)
		inside_end(m->inside);
	if (m->has_net) {
		r = net_down(&m->spec.net, m->state.net, &why);
		ctlive_end(&m->one, m->state.net);
	}
	m->has_net = false;
	if (r < 0)
		log_warn("container %s: %s", m->one.id, why.text);
	why.text[0] = '\0';
	r = m->group ? cgroup_kill(m->group, CGROUP_PAYLOAD, CLEAR_MS, &why)
		     : 0;
	if (r < 0)
		log_warn("container %s: %s", m->one.id, why.text);
}

void monitorstart_ungroup(struct monitor *m)
{
	struct why why = { "" };

	inside_free(m->inside);
	m->inside = NULL;
	if (m->group && cgroup_remove(m->group, &why) < 0)
		log_warn("container %s: %s", m->one.id, why.text);
	cgroup_free(m->group);
	m->group = NULL;
}

static int note_start(struct monitor *m, struct why *why)
{
	int r;

	m->state.init = m->init.pid;
	runstate_note(&m->state, &m->spec);
	m->state.started = (uint64_t)time(NULL);
	m->state.ended[0] = '\0';
	r = runstate_write(&m->one, &m->state);
	return r < 0 ? why_sys(why, r, "container %s: " RUNSTATE_FOLDER,
			       m->one.id)
		     : 0;
}

static int make_inside(struct monitor *m, struct launch_plan *plan,
		       struct why *why)
{
	const struct inside_plan what = { .spec = &m->spec,
					  .group = m->group,
					  .root = m->one.root,
					  .run = m->run,
					  .once = m->plan->once };
	struct stat st;
	int r = inside_new(&m->inside, &what, why);

	if (r < 0)
		return r;
	plan->sender = inside_sender(m->inside, &plan->answered);
	if (stat(m->one.root, &st) < 0)
		return why_sys(why, -errno, "%s", m->one.root);
	m->spec.root_major = major(st.st_dev);
	m->spec.root_minor = minor(st.st_dev);
	return 0;
}

int monitorstart_begin(struct monitor *m, struct why *why)
{
	struct launch_plan plan = { .spec = &m->spec,
				    .root = m->one.root,
				    .stdio = m->plan->stdio,
				    .terminal = m->plan->once,
				    .rows = m->plan->rows,
				    .columns = m->plan->columns,
				    .sender = -1 };
	int r;

	spec_free(&m->spec);
	r = ctwords_read(&m->one, &m->spec, why);
	if (m->plan->bare)
		m->spec.net.mode = SPEC_NET_NONE;
	if (r == 0 && m->plan->init)
		r = monitorpriv_set_init(&m->spec, m->plan->init);
	if (r == 0)
		r = make_groups(m, why);
	plan.group = m->group;
	if (r == 0)
		r = make_inside(m, &plan, why);
	if (r == 0)
		r = launch_begin(&plan, &m->init, why);
	if (r == 0)
		r = make_network(m, why);
	if (r == 0)
		r = inside_begin(m->inside, &m->init, why);
	if (r == 0)
		r = launch_go(&plan, &m->init, why);
	if (r == 0)
		r = inside_go(m->inside, why);
	if (r == 0)
		r = note_start(m, why);
	if (r < 0) {
		launch_explain(&m->init, why);
		launch_end(&m->init);
		monitorstart_clear(m);
		return r;
	}
	if (m->console) {
		console_take_master(m->console, m->init.console);
		m->init.console = -1;
	}
	m->began = clock_now();
	m->ending = MONITORPRIV_BY_ITSELF;
	m->fast = m->scripted = false;
	m->deadline = 0;
	m->job = 0;
	m->job_over = false;
	m->starting = true;
	m->settled = m->began;
	if (!m->plan->once)
		m->settled += SETTLE_MS * CLOCK_MS;
	return 0;
}
