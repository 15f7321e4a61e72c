/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctlook.h"

#include "fs/base/cleanup.h"

const char *const ctlook_words[] = {
	[CTLOOK_DOWN] = "stopped",	  [CTLOOK_DAMAGED] = "damaged",
	[CTLOOK_MOUNTED] = "mounted",	  [CTLOOK_RUNNING] = "running",
	[CTLOOK_SUSPENDED] = "suspended",
};

void ctlook_at(const struct container *one, struct ctlook *out)
{
	_cleanup_close_ int idle = -1;
	struct why why = { "" };
	struct ctlook l = { .state = CTLOOK_DOWN };

	l.mounted = container_is_mounted(one) ||
		    (one->data >= 0 &&
		     container_idle(one, 0, &idle, NULL) == -EBUSY);
	if (runstate_read(one, &l.run, &why) == 0 && l.run.init > 0) {
		l.state = CTLOOK_RUNNING;
		if (cgroup_open(&l.group, l.run.group, false, 0, &why) < 0)
			l.group = NULL;
		if (l.group && cgroup_is_frozen(l.group))
			l.state = CTLOOK_SUSPENDED;
	} else if (!one->template[0]) {
		l.state = CTLOOK_DAMAGED;
	} else if (l.mounted) {
		l.state = CTLOOK_MOUNTED;
	}
	*out = l;
}

void ctlook_end(struct ctlook *l)
{
	cgroup_free(l->group);
	l->group = NULL;
}
