/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGDEVICE_H
#define VEFS_TOOLS_CT_CGDEVICE_H

/* cgdevice - what devices a payload may open. */
#include "tools/ct/cgrouppriv.h"

/* As cgroup_devices(). */
int cgdevice_set(const struct cgroup *g, const struct spec_device *devices,
		 size_t n, struct why *why);

#endif
