/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctwork.h"

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ct/wire.h"
#include "tools/ctwords.h"
#include "tools/monitor.h"

int ctwork_fail(const struct ctwork *w, int err)
{
	cmd_fail(err, &w->why);
	return err == -EBUSY ? CMD_LOCKED : CMD_FAILED;
}

int ctwork_begin(struct ctwork *w, const struct cmd_common *common,
		 const char *id, bool lock)
{
	int r = container_check_id(id, &w->why);

	if (r < 0) {
		cmd_fail(r, &w->why);
		return CMD_USAGE;
	}
	w->catalog = cmd_open(common, false);
	if (!w->catalog)
		return CMD_FAILED;
	r = container_open(w->catalog, id, lock, &w->one, &w->why);
	if (r == 0)
		r = runstate_read(&w->one, &w->state, &w->why);
	return r < 0 ? ctwork_fail(w, r) : CMD_OK;
}

void ctwork_end(struct ctwork *w)
{
	cgroup_free(w->group);
	spec_free(&w->spec);
	cleanup_closep(&w->pidfd);
	container_close(&w->one);
	catalog_free(w->catalog);
}

int ctwork_running(struct ctwork *w)
{
	int r = w->pidfd = runstate_pidfd(&w->one, &w->state);

	if (r == -ESRCH) {
		log_error("container %s is not running: 'vefs start %s'",
			  w->one.id, w->one.id);
		return CMD_CT_NOT_RUNNING;
	}
	if (r >= 0)
		r = ctwords_read(&w->one, &w->spec, &w->why);
	if (r == 0) {
		/* As it was started, whatever is to be next time. */
		w->spec.base = w->state.base;
		w->spec.count = w->state.count;
		r = cgroup_open(&w->group, w->state.group, false, 0, &w->why);
	}
	return r < 0 ? ctwork_fail(w, r) : CMD_OK;
}

static int ask_sender(const struct container *one, unsigned *answered)
{
	_cleanup_close_ int fd = monitor_connect(one, "sender");
	struct wire_message m;
	int sender = -1, r;

	if (fd < 0)
		return fd;
	r = wire_hear(fd, &m, &sender);
	if (r <= 0)
		return r < 0 ? r : -EPIPE;
	*answered = sender < 0 ? 0 : (unsigned)m.number;
	return sender;
}

int ctwork_sender(const struct ctwork *w, unsigned *answered)
{
	unsigned tries = 0;
	int r;

	*answered = 0;
	do
		r = ask_sender(&w->one, answered);
	while ((r == -EPIPE || r == -ECONNRESET) &&
	       monitor_again(&w->one, &tries));
	return r < 0 ? -1 : r;
}
