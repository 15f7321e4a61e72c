/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_ITABLESET_H
#define VEFS_FS_ITABLESET_H

/*
 * itableset - changing what the table knows of an inode.
 */
#include "fs/itable.h"

/*
 * Changes; the caller holds the inode's lock. All leave the inode as it was
 * when they fail (-ENOMEM).
 */
int itableset_upper_locked(struct itable *t, struct inode *i,
			   const struct ref *upper);
int itableset_name_locked(struct itable *t, struct inode *i, uint32_t parent,
			  const char *name);
void itableset_drop_lowers_locked(struct itable *t, struct inode *i);
void itableset_flags_locked(struct itable *t, struct inode *i, uint32_t set,
			    uint32_t clear);
void itableset_link_delta_locked(struct itable *t, struct inode *i,
				 int32_t delta);
/* `fd` is taken; closed when the inode goes. */
void itableset_pin_locked(struct itable *t, struct inode *i, int fd);
int32_t itableset_backing_get_locked(const struct itable *t,
				     const struct inode *i);
void itableset_backing_locked(struct itable *t, struct inode *i, int32_t id);
/*
 * An id is about to be registered, or has found its record: one at a time, so
 * that a successor finds what was lost in between.
 */
void itableset_backing_intent(struct itable *t, bool on);

#endif
