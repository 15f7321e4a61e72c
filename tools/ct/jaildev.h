/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_JAILDEV_H
#define VEFS_TOOLS_CT_JAILDEV_H

/*
 * jaildev - the container's /dev. The nodes are made by the host's root
 * through the mount's own descriptor: that is what makes them work in a user
 * namespace, which can make none.
 */
#include "templates/why.h"
#include "tools/ct/spec.h"

/* jail_dev() */
int jaildev_make(const struct spec *s, struct why *why);

/* jail_devices() */
int jaildev_list(const struct spec *s, struct spec_device **list);

/* jail_console() */
int jaildev_console(struct why *why);

#endif
