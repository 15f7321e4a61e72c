/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTMEAN_H
#define VEFS_TOOLS_CTMEAN_H

/*
 * ctmean - what the values of vefs.conf mean: `take` of the words of ctwords.h.
 * A value is not empty. Each is taken once into a spec.
 */
#include "tools/ctwords.h"

#define CTMEAN(name)                                                           \
	int ctmean_##name(const struct ctword *w, const char *value,           \
			  struct spec *s, struct why *why)

CTMEAN(hostname);
CTMEAN(name);
CTMEAN(bool);
CTMEAN(range); /* of w->min to w->max, for nobody in the spec */
CTMEAN(stop_timeout);
CTMEAN(init);

CTMEAN(number);
CTMEAN(lifted);	 /* the same where 0 and "unlimited" lift it */
CTMEAN(percent); /* and where a "%" may follow */
CTMEAN(cpus);
CTMEAN(cpumask);
CTMEAN(nodemask);
CTMEAN(beans); /* BARRIER:LIMIT */
CTMEAN(iolimit);

CTMEAN(net);
CTMEAN(ip);
CTMEAN(nameserver);
CTMEAN(searchdomain);
CTMEAN(netfilter);
CTMEAN(netif);

CTMEAN(devnodes);
CTMEAN(devices);
CTMEAN(capability);
CTMEAN(features);

/* The parts of these, for ctchange. */
int ctmean_one_netif(const char *part, struct spec_netif *out, struct why *why);
int ctmean_one_devnode(const char *part, struct spec_device *out,
		       struct why *why);
int ctmean_one_device(const char *part, struct spec_device *out,
		      struct why *why);

/* Is that a feature of ours, and not only of OpenVZ's? */
bool ctmean_has_feature(const char *name);
/* "fuse, tun, ..." */
extern const char ctmean_features_text[];

#endif
