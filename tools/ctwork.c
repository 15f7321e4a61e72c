/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctwork.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "tools/ct/jail.h"
#include "tools/ct/wire.h"
#include "tools/ctwords.h"
#include "tools/monitor.h"

int ctwork_fail(const struct ctwork *w, int err)
{
	cmd_fail(err, &w->why);
	return err == -EBUSY ? CMD_LOCKED : CMD_FAILED;
}

/* Of one that runs: that is no reason to let it run for ever. */
static int tell_damage(struct ctwork *w)
{
	log_warn("%s", w->why.text);
	w->why.text[0] = '\0';
	return 0;
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
	else if (r == -EUCLEAN &&
		 runstate_read(&w->one, &w->state, NULL) == 0 && w->state.init)
		r = tell_damage(w);
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

/* Bits of CAP_* beyond which it cannot get; none where that cannot be told. */
static uint64_t bounds_of(pid_t pid)
{
	static const char row[] = "\nCapBnd:\t";
	_cleanup_close_ int fd = -1;
	char path[64], text[4096];
	const char *at;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fdio_pread_full(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, row);
	return at ? strtoull(at + sizeof(row) - 1, NULL, 16) : 0;
}

static bool has_own_net(pid_t pid)
{
	struct stat its, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return stat(path, &its) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
	       (its.st_ino != ours.st_ino || its.st_dev != ours.st_dev);
}

void ctwork_as_started(const struct runstate *run, struct spec *s)
{
	uint64_t may;

	runstate_recall(run, s);
	if (run->with.noted)
		return;
	/* By an older version: no more than its first process may now. */
	may = bounds_of(run->init);
	s->net.mode = has_own_net(run->init) ? SPEC_NET_PRIVATE : SPEC_NET_HOST;
	s->caps_drop = ~may;
	s->caps_add = may & ~jail_usual_caps(s);
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
		r = cgroup_open(&w->group, w->state.group, false, 0, &w->why);
	if (r < 0)
		return ctwork_fail(w, r);
	/* Nothing of its vefs.conf: that is for its next start. */
	memcpy(w->spec.id, w->one.id, sizeof(w->one.id));
	ctwork_as_started(&w->state, &w->spec);
	return CMD_OK;
}

void ctwork_words(const struct container *one, struct spec *out)
{
	struct why why = { "" };

	if (ctwords_read(one, out, &why) < 0)
		log_warn("%s", why.text);
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
