/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NOTIFYQUOTA_H
#define VEFS_TOOLS_CT_NOTIFYQUOTA_H

/* notifyquota - quotactl(2) and quotactl_fd(2) of a container's process. */
#include <linux/seccomp.h>

#include "tools/ct/notify.h"

/*
 * Answer it: what the call gives, 0 or -errno, NOTIFY_CONTINUE; -ESRCH
 * also when the caller waits no more, to whom it makes no difference. `self`
 * is what ops.begin() gave.
 */
int notifyquota_answer(const struct notify_config *config, void *self,
		       int listener, const struct seccomp_notif *n);

#endif
