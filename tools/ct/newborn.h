/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NEWBORN_H
#define VEFS_TOOLS_CT_NEWBORN_H

/* newborn - what a process that goes into a container leaves behind. */
#include "templates/why.h"
#include "tools/ct/spec.h"

/* First, while it is the host's: nobody looks at it, and it has nothing of who
 * began it (usual.h). */
void newborn_hide(void);

/* In its user namespace: its root. 0, or -errno and why. */
int newborn_root(const struct spec *s, struct why *why);

/*
 * Have these system calls (NOTIFY_*) answered by who is at the other end of
 * `sender` (notify.h), -1: none. Where that cannot be they are the kernel's.
 */
int newborn_listen(int sender, unsigned answered, struct why *why);

/* Last: no descriptor but 0, 1, 2 survives the exec, and no signal is ignored
 * or blocked. */
int newborn_strip(struct why *why);

#endif
