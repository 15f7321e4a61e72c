/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MONITOR_H
#define VEFS_TOOLS_MONITOR_H

/*
 * monitor - the process that a running container is a child of: it makes the
 * groups, the namespaces and the network, starts the container again when it
 * reboots, and takes everything away when it ends. It has one thread and does
 * nothing while nothing happens. What there is to do while the container runs,
 * its console and who asks for something, a child of it does, its attendant:
 * should that be killed, there is another one at once.
 *
 * The container lives on without its monitor: nobody then takes it away when
 * it ends but `vefs stop`.
 *
 * It listens at run/control (runstate.h), to root. One line a connection:
 *
 *	stop SECONDS [fast]	"ok" when it has ended and all is gone
 *	restart SECONDS [fast]	"ok" when it runs again, which is a command's
 *				(`once`); of others the same as stop: who asked
 *				starts it, mounted anew
 *	console			"ok", then the console's bytes both ways
 *	files KIND		a wire_message with the mount of its virtual
 *				files, procserve_kind()
 *	size ROWS COLUMNS	of the console
 *	sender			a wire_message with notify_sender() and, as its
 *				number, NOTIFY_*
 */
#include "tools/container.h"
#include "tools/runstate.h"

struct monitor_plan {
	struct catalog *catalog;
	const char *store;
	const char *id;
	char *const *init; /* instead of what vefs.conf says; NULL: that */
	/* Its groups are there, ours from now on; who serves the mount is in
	 * them (ctbegin.h). */
	bool has_groups, daemons_in;
	bool stdio;   /* its first process has our 0, 1, 2 */
	bool once;    /* it is a command: on a terminal, a reboot ends it */
	bool passing; /* nobody is to know later how it ended */
	bool bare; /* neither network nor start script; what is mounted stays */
	unsigned rows, columns; /* of its console; 0: not known */
	int viewer;		/* a socket that shows its console, taken; -1 */
	int report; /* "ok" or "error: ..." goes there once it runs; -1 */
};

/*
 * Start it and stay until it has ended: the status that wait(2) gave of its
 * first process; or -errno with a sentence in `why`, and nothing is left.
 * The container is mounted. The caller has one thread, and ends soon: a child
 * of its parent may have to take away the groups then. That has all of the
 * caller's descriptors until it is done.
 */
int monitor_run(const struct monitor_plan *p, struct why *why);

/*
 * Ask the one of a container; a connection to read the answer from, or -errno:
 * -ENXIO nobody listens.
 */
int monitor_connect(const struct container *one, const char *request);
/*
 * What was asked has no answer, and may be asked again: who was to give it was
 * killed, but there is a monitor. `tries` is 0 at first.
 */
bool monitor_again(const struct container *one, unsigned *tries);
/* Ask and wait, `ms` at most: 0, or -errno with what it said in `why`; -ENXIO,
 * -EPIPE: it is gone, or was about to go, and nothing is said. */
int monitor_ask(const struct container *one, const char *request, unsigned ms,
		struct why *why);

/* Is there one, of a container that runs, begins or ends? */
bool monitor_is_there(const struct container *one);

#endif
