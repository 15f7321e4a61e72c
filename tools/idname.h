/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_IDNAME_H
#define VEFS_TOOLS_IDNAME_H

/*
 * idname - names of a container's users and groups, from its own etc/passwd
 * and etc/group: read as files, nothing of the container runs and no link
 * leads out of it.
 *
 * A mounted one shows them. Otherwise upper's file is taken, else the
 * template's; where a link or a renamed directory stands in the way names are
 * not known (-ELOOP).
 */
#include <stdint.h>

#include "quota/ledger.h"
#include "tools/container.h"

struct idname;

/*
 * Read users' or groups' names (`kind` LEDGER_USER or LEDGER_GROUP). -ENOENT:
 * there is no such file; -ELOOP: see above; -EFBIG; or -errno. The sentence in
 * `why` says how to go on without.
 */
int idname_read(struct catalog *c, const struct container *one,
		enum ledger_kind kind, struct idname **out, struct why *why);
void idname_free(struct idname *n);

/* The same from text that is in memory; for tests. -ENOMEM. */
int idname_parse(const char *text, size_t len, struct idname **out);

/* The first name of an id, or NULL (also without `n`); borrowed. */
const char *idname_of(const struct idname *n, uint32_t id);

/* The id of a name. -ENOENT. */
int idname_find(const struct idname *n, const char *name, uint32_t *id);

#endif
