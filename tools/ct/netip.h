/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NETIP_H
#define VEFS_TOOLS_CT_NETIP_H

/* netip - addresses as people write them. Nothing is asked of the kernel. */
#include <stdbool.h>

#include "tools/ct/spec.h"

#define NETIP_TEXT 64

/*
 * "10.0.0.5", "10.0.0.5/24", "fd00::5": -EINVAL, with *out as it was. A prefix
 * is 1 to 32 (128); none is the longest.
 */
int netip_parse(const char *s, struct spec_ip *out);

/* Into text[], as it would be parsed (shortest form); returns text. */
const char *netip_print(const struct spec_ip *ip, char text[NETIP_TEXT]);

/* The longest prefix: 32 or 128. */
unsigned netip_bits(int family);

/* Is it the same address, whatever their prefixes are? */
bool netip_same(const struct spec_ip *a, const struct spec_ip *b);

/*
 * Can packets be routed to it? NULL, or what it is instead ("a multicast
 * address").
 */
const char *netip_fault(const struct spec_ip *ip);

#endif
