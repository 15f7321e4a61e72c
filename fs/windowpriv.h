/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_WINDOWPRIV_H
#define VEFS_FS_WINDOWPRIV_H

/*
 * windowpriv - a window from inside, for window.c and windowrun.c.
 */
#include <linux/fanotify.h>
#include <stdatomic.h>

#include "fs/window.h"

/* From include/uapi/linux/fanotify.h of Linux 6.14. */
#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#endif
#ifndef FAN_EVENT_INFO_TYPE_RANGE
#define FAN_EVENT_INFO_TYPE_RANGE 6
#endif
#define WINDOWPRIV_DENY(err) (FAN_DENY | (uint32_t)(err) << 24)

struct window {
	int group, mount;
	uint64_t size;
	/* The worker's. */
	int bell;	      /* an eventfd that wakes its thread; or -1 */
	_Atomic bool asks;    /* as the mark is */
	_Atomic bool asleep;  /* nobody has anything open: no polling */
	_Atomic uint64_t due; /* ns, when it is polled next */
};

/* Ask, or ignore everything. */
int windowpriv_ask(struct window *w, bool asks);
void windowpriv_ring(struct window *w);

#endif
