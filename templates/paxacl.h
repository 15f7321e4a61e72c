/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_PAXACL_H
#define VEFS_TEMPLATES_PAXACL_H

/*
 * paxacl - POSIX ACLs between their attribute's bytes, as the kernel has them,
 * and entries of an archive.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fs/base/strbuf.h"

struct archive_entry;

#define PAXACL_ACCESS "system.posix_acl_access"
#define PAXACL_DEFAULT "system.posix_acl_default"

/*
 * Check an attribute's bytes and put them in order, by tag and id. -EINVAL: no
 * ACL. `out` is replaced.
 */
int paxacl_sort(const void *raw, size_t len, struct strbuf *out);

/* The group's bits of a file with this access ACL are the ACL's mask. */
int paxacl_mask(const void *raw, size_t len, uint32_t *mode);

/*
 * The entry's ACL as an attribute's bytes; 1, 0: it has none; or -errno,
 * -ENOENT: it has a name that this machine does not know, in *name; -ERANGE: an
 * id that did not come whole. Of an access ACL *mode gets the group's bits,
 * which are its mask.
 */
int paxacl_get(struct archive_entry *e, bool access, uint32_t *mode,
	       struct strbuf *out, const char **name);

/*
 * Give the entry this ACL; if it has ids that not every reader of an archive's
 * ACLs gets whole, the attribute as well. Its mode must be set before.
 */
int paxacl_set(struct archive_entry *e, bool access, const void *raw,
	       size_t len);

#endif
