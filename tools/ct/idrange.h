/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_IDRANGE_H
#define VEFS_TOOLS_CT_IDRANGE_H

/*
 * idrange - the user and group ids of containers on the host, 65536 for each,
 * never shared by two that exist in a store. Another store knows nothing of
 * them.
 *
 *	idranges/BASE -> ID	in the store: a symlink for each in use
 *
 * They are taken from what /etc/subuid and /etc/subgid both have for the user
 * "vefs", else from IDRANGE_FIRST on, leaving out what those give to others.
 * The lowest that is free comes next.
 *
 * The link of a container that is not in the store (containers/ID) is stale
 * and is taken over, but only when it is older than IDRANGE_YOUNG: who makes a
 * container may take its range first. All of it happens under a lock on the
 * directory.
 */
#include <stdint.h>

#include "templates/why.h"

#define IDRANGE_COUNT 65536u
#define IDRANGE_FIRST 0x20000000u
#define IDRANGE_LAST 0x7fff0000u
#define IDRANGE_YOUNG 600 /* seconds */

/* Where the host's administrator says who has which ids. */
struct idrange_files {
	const char *subuid, *subgid;
};

/*
 * Take one for `id`, in the store's directory. The same again for one that has
 * one. -ENOSPC: none is free.
 */
int idrange_take(int store, const char *id, uint32_t *base, struct why *why);

/* The same for one that is not to outlive the host's run: it is not synced. */
int idrange_take_passing(int store, const char *id, uint32_t *base,
			 struct why *why);

/* The same with other files than those of /etc. */
int idrange_take_by(int store, const char *id,
		    const struct idrange_files *files, uint32_t *base,
		    struct why *why);

/* Is the range from `base` on the one of `id`? 1, 0 or -errno. Takes no lock. */
int idrange_is_of(int store, const char *id, uint32_t base);

/*
 * Take just the range from `base` on for `id`, which has it in its vefs.conf:
 * one that was restored, copied or renamed. The caller keeps containers from
 * being made meanwhile, so that the link of one that is not there is stale,
 * however young. -EADDRINUSE: some of it is that of another that is there,
 * `other`, of NAME_MAX + 1 bytes.
 */
int idrange_claim(int store, const char *id, uint32_t base, char *other,
		  struct why *why);

/*
 * Give it back: 0, also when nobody has it. -EPERM: it is another container's.
 */
int idrange_release(int store, const char *id, uint32_t base);

#endif
