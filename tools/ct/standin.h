/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_STANDIN_H
#define VEFS_TOOLS_CT_STANDIN_H

/*
 * standin - the parent of a process in a container, between that and who wants
 * to know how it ends.
 *
 * A container has not ended before all of its processes have been waited for.
 * Whoever runs something in it may be stopped, or sit in a write to a terminal
 * that nobody reads; a stand-in does nothing but wait, and so holds up no
 * container. It has no terminal and no descriptor, and lives on without its
 * maker.
 */
#include <signal.h>
#include <sys/types.h>

/* To a stand-in: kill it, and all of its group. */
#define STANDIN_KILL SIGUSR1

/*
 * The caller, who was just forked, becomes one. Where clone3(2) is to write the
 * number of whom it stands in for, CLONE_PARENT_SETTID; or NULL and errno.
 */
pid_t *standin_begin(void);

/*
 * Wait for all children, and end as that one has: with its exit status, or by
 * its signal, without a core file. SIGHUP, SIGINT, SIGQUIT, SIGTERM go on to
 * it and its group. No descriptor stays open.
 */
_Noreturn void standin_run(const volatile pid_t *of);

#endif
