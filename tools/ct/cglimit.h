/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGLIMIT_H
#define VEFS_TOOLS_CT_CGLIMIT_H

/* cglimit - limits made so, all of them or none. */
#include "tools/ct/cgrouppriv.h"

/* As cgroup_set(). */
int cglimit_set(const struct cgroup *g, const struct spec_limits *l,
		uint32_t may_lack, struct why *why);

/*
 * v1's shares and v2's weight for cpuunits: 1000 units are 1024 shares and a
 * weight of 100, the kernel's usual, and all else in proportion, as far as
 * the kernel goes: 2 to 262144 shares (256000 units), 1 to 10000 weight
 * (10 to 100000 units).
 */
uint64_t cglimit_shares(uint64_t units);
uint64_t cglimit_weight(uint64_t units);

/* A list of CPUs or nodes, "0-3,8", as bits. -EINVAL, -ERANGE: beyond them. */
#define CGLIMIT_BITS 8192u
int cglimit_list(const char *list, uint8_t bits[CGLIMIT_BITS / 8]);

#endif
