/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTLIVE_H
#define VEFS_TOOLS_CTLIVE_H

/*
 * ctlive - what a container that runs is, where that is not what its vefs.conf
 * says: it was changed without that.
 *
 *	containers/ID/run/live		lines as in vefs.conf, and LIVE_OF, the
 *					run they are of; of another one they say
 *					nothing. Gone with its end
 */
#include "tools/conf.h"
#include "tools/container.h"
#include "tools/ct/cgroup.h"
#include "tools/ct/spec.h"
#include "tools/runstate.h"

/* The lines; those of `own`, its vefs.conf, if nothing else is known. To be
 * freed with conf_free(). 0 or -errno. */
int ctlive_read(const struct container *one, const struct runstate *run,
		const struct conf *own, struct conf **out);

/* Keep `live`, whose lines get LIVE_OF. */
int ctlive_write(const struct container *one, const struct runstate *run,
		 struct conf *live);

/*
 * At its end: the host answers no more for addresses that it got since its
 * start, and what is kept of it goes. `net` is net_up()'s name. For an address
 * that somebody else has by now it goes on to answer.
 */
void ctlive_end(const struct container *one, const char *net);

/*
 * Make a container that runs, and is as `from`, into one as `to`: limits,
 * devices, network, hostname. `why` may get a warning with 0. After an error it
 * is as before, as far as that goes.
 */
int ctlive_change(const struct container *one, const struct runstate *run,
		  const struct spec *from, const struct spec *to,
		  struct why *why);

#endif
