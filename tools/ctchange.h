/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTCHANGE_H
#define VEFS_TOOLS_CTCHANGE_H

/*
 * ctchange - what options of create and set do to the lines of vefs.conf:
 * `change` of the words of ctwords.h.
 */
#include "tools/cmd.h"
#include "tools/ctwords.h"

/* Options for cmd_parse(), which go to common->words; an empty one at the end. */
#define CTCHANGE_OPTIONS 96u
void ctchange_options(struct cmd_option out[CTCHANGE_OPTIONS]);

/*
 * Apply options, each of ctwords_table, to the lines; those that delete come
 * first, otherwise in their order. An empty value takes a line away, but not of
 * addresses and interfaces: -EINVAL. What is to be deleted must be there, unless `lenient`. -EINVAL, -ERANGE, -ENODEV...:
 * `why` names the option, and some lines may be changed.
 */
int ctchange_apply(struct conf *c, const struct cmd_words *words, bool lenient,
		   struct why *why);

/* What --help says of them. */
#define CTCHANGE_HELP                                                          \
	"What it is:\n"                                                        \
	"  --name NAME, --hostname NAME, --description TEXT\n"                 \
	"  --onboot yes|no, --bootorder N, --disabled yes|no\n"                \
	"  --stop-timeout SECONDS, --init 'COMMAND ARG...', --userns on|off\n" \
	"Limits (B K M G T behind sizes; unlimited):\n"                        \
	"  --cpuunits 8..500000, --cpulimit PERCENT, --cpus N\n"               \
	"  --cpumask LIST, --nodemask LIST\n"                                  \
	"  --ram BYTES, --swap BYTES, --numproc N, beancounters as "           \
	"--physpages\n"                                                        \
	"  --ioprio 0..7, --iolimit MB/S, --iopslimit N\n"                     \
	"  --diskspace SOFT[:HARD], --diskinodes SOFT[:HARD]\n"                \
	"  --quotatime SECONDS, --quotaugidlimit N, --diskquota yes|no\n"      \
	"Network:\n"                                                           \
	"  --net private|none|host, --ipadd ADDR, --ipdel ADDR|all\n"          \
	"  --netif_add IFNAME[,MAC,HOST_IFNAME,HOST_MAC,BRIDGE], "             \
	"--netif_del IFNAME|all\n"                                             \
	"  --nameserver ADDR|inherit, --searchdomain NAME\n"                   \
	"  --netfilter disabled|stateless|stateful|full\n"                     \
	"Devices, rights:\n"                                                   \
	"  --devnodes NAME:rw|none, --devices b|c:MAJOR:MINOR:rw|none\n"       \
	"  --capability NAME:on|off, --features NAME:on|off\n"

/* Tell what there is to tell of some of them. */
void ctchange_notes(const struct cmd_words *words);

/* Lines of `from` whose keys the table has, into `c`, but those that are one
 * container's alone: its name, hostname, addresses. 0 or -ENOMEM. */
int ctchange_sample(struct conf *c, const struct conf *from);

#define CTCHANGE(name)                                                         \
	int ctchange_##name(const struct ctword *w, struct conf *c,            \
			    const char *value, bool again, struct why *why)

CTCHANGE(bytes);   /* bytes are a limit in pages */
CTCHANGE(iolimit); /* MB/s are bytes a second */
CTCHANGE(list);	   /* the first replaces, others come behind it */
CTCHANGE(ipadd);
CTCHANGE(ipdel);
CTCHANGE(netif_add);
CTCHANGE(netif_del);
CTCHANGE(devnodes);
CTCHANGE(devices);
CTCHANGE(switches); /* NAME:on, NAME:off, with "," between several */
CTCHANGE(features);
CTCHANGE(diskspace);
CTCHANGE(diskinodes);
CTCHANGE(quotatime);
CTCHANGE(ugidlimit);

#endif
