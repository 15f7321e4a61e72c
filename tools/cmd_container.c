/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs mount, umount: the roots of containers. */
#include <stdio.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ctmount.h"
#include "tools/runstate.h"

/* How long one waits for a daemon to end. */
#define SOON_MS 500u /* for a better answer */
#define END_MS 2000u

static int run_mount(const struct cmd *self, struct cmd_common *common,
		     int argc, char **argv)
{
	int status;
	WORK(w);

	if (!work_operand(&w, self, common, argc, argv, false))
		return w.status;
	if (container_is_mounted(&w.one)) {
		log_error("container %s is mounted already, on %s", w.one.id,
			  w.one.root);
		return CMD_FAILED;
	}
	status = ctmount_up(&w, common->root, NULL);
	if (status == CMD_OK && !common->quiet)
		printf("container %s is mounted on %s\n", w.one.id, w.one.root);
	return cmd_flush(status);
}

/* It would go on without a root on the host's side. */
static int is_running(const struct container *one, struct why *why)
{
	struct runstate state = { .init = 0 };
	int r = runstate_read(one, &state, why);

	if (r < 0 || !state.init)
		return r;
	return why_set(why, -EBUSY, "container %s is running: 'vefs stop %s'",
		       one->id, one->id);
}

static int run_umount(const struct cmd *self, struct cmd_common *common,
		      int argc, char **argv)
{
	_cleanup_close_ int idle = -1;
	int r;
	WORK(w);

	if (!work_operand(&w, self, common, argc, argv, false))
		return w.status;
	if (!container_is_mounted(&w.one)) {
		r = container_idle(&w.one, SOON_MS, &idle, &w.why);
		if (r == 0)
			why_set(&w.why, 0, "container %s is not mounted",
				w.one.id);
		return cmd_fail(r, &w.why);
	}
	r = is_running(&w.one, &w.why);
	if (r == 0)
		r = ctmount_down(common->root, &w.one, END_MS, &w.why);
	if (r < 0)
		return cmd_fail(r, &w.why);
	if (!common->quiet)
		printf("container %s is unmounted\n", w.one.id);
	return cmd_flush(CMD_OK);
}

/* ---- the records ------------------------------------------------------------ */

const struct cmd cmd_mount = {
	.name = "mount",
	.args = "mount ID",
	.brief = "mount a container's root",
	.help = "Its scripts and those of all containers run before "
		"(ID.premount, vps.premount of\n/etc/vefs) and after (mount); "
		"one that fails undoes it.\n",
	.run = run_mount,
};

const struct cmd cmd_umount = {
	.name = "umount",
	.args = "umount ID",
	.brief = "unmount it",
	.help = "Scripts run before (umount), which can keep it mounted by "
		"failing, and after\n(postumount).\n",
	.run = run_umount,
};
