/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctbegin.h"

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ctmount.h"
#include "tools/ctwords.h"

#define END_MS 5000u

/* Where it cannot be brought in its monitor does it. */
static pid_t bear_daemon(void *ctx)
{
	struct cgroup *g = ctx;
	struct why why = { "" };
	pid_t pid = cgroup_fork(g, CGROUP_DAEMON, 0);

	if (pid == 0 && cgroup_enter(g, CGROUP_DAEMON, &why) < 0)
		log_warn("%s", why.text);
	return pid;
}

static int make_groups(struct ctwork *w, const char *store,
		       struct cgroup **group)
{
	struct runstate names = { .init = 0 };
	struct spec ids = { .base = 0 };
	int r = ctwords_ids(&w->one, &ids, &w->why);

	runstate_names(store, w->one.id, &names);
	return r < 0 ? r
		     : cgroup_open(group, names.group, true,
				   ids.count ? ids.base : 0, &w->why);
}

int ctbegin(struct ctwork *w, const struct cmd_common *common,
	    struct cgroup **group, bool *mounted)
{
	struct mounting_birth birth = { .fork = bear_daemon };
	/* borrowed */
	struct work mount = { .c = w->catalog,
			      .one = w->one,
			      .passing = common->passing };
	int r = make_groups(w, common->root, group), status;

	*mounted = false;
	if (r < 0)
		return ctwork_fail(w, r);
	if (container_is_mounted(&w->one))
		return CMD_OK;
	birth.ctx = *group;
	status = ctmount_up(&mount, common->root, &birth);
	*mounted = status == CMD_OK;
	if (*mounted)
		return CMD_OK;
	cgroup_wait(*group, CGROUP_DAEMON, END_MS);
	if (cgroup_remove(*group, &w->why) < 0)
		log_warn("container %s: %s", w->one.id, w->why.text);
	cgroup_free(*group);
	*group = NULL;
	return status;
}
