/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTFIELD_H
#define VEFS_TOOLS_CTFIELD_H

/*
 * ctfield - what can be told of a container: the columns of vefs list, with
 * vzlist's names.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fs/proc/procubc.h"
#include "quota/limit.h"
#include "tools/conf.h"
#include "tools/ctlook.h"
#include "tools/ct/net.h"
#include "tools/ctwords.h"

struct ctfield_value {
	bool known;	 /* else it is shown as "-" */
	bool is_number;	 /* `n`, and text as people read it */
	bool is_endless; /* no limit */
	uint64_t n;
	char *text; /* owned; NULL: the number */
};

/* What fields are made of; what costs something is asked when it is needed. */
struct ctfield_row {
	struct catalog *catalog;
	const struct container *one;
	const char *store;
	struct ctlook look;
	struct conf *own, *global; /* as it runs, or will */
	struct spec spec;
	bool has_usage, has_quota, asked_quota, has_net;
	struct cgroup_usage usage;
	struct limit_rec quota;
	struct net_usage net;
	bool asked_beans, has_beans;
	struct procubc_row bean[PROCUBC_ROWS];
};

struct ctfield {
	const char *name, *title;
	int width; /* of its column; right aligned if > 0 */
	void (*get)(const struct ctfield *f, struct ctfield_row *row,
		    struct ctfield_value *out);
	unsigned arg;
	const char *key; /* a line of vefs.conf */
	const char *brief;
};

/* "ctid", "diskspace.s", "kmemsize.b"; or NULL. */
const struct ctfield *ctfield_find(const char *name);

/* What it is of a thing that has several: "held", "usage"; or NULL. */
const char *ctfield_part(const struct ctfield *f);

/* The one after `f`, the first after NULL; NULL at the end. */
const struct ctfield *ctfield_next(const struct ctfield *f);

/* Begin with a container, which is borrowed. 0 or -errno. */
int ctfield_begin(struct ctfield_row *row, struct catalog *catalog,
		  const char *store, const struct container *one);
void ctfield_end(struct ctfield_row *row);

void ctfield_free(struct ctfield_value *v);

#endif
