/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_IOMODE_H
#define VEFS_FS_IOMODE_H

/*
 * iomode - how a file is opened, by what is open already.
 *
 * The kernel demands that all open files of an inode agree: cached ones (the
 * pages are FUSE's, the daemon fills them) and passthrough ones exclude each
 * other, and all passthrough ones have one backing file. The rule:
 *
 *   open already	wanted data	outcome
 *   cached files	any		cached
 *   passthrough, same	same		passthrough
 *   passthrough, lower	upper		conflict: the name gets a new nodeid
 *   nothing		upper		passthrough
 *   nothing		lower, program	passthrough (one page cache for all)
 *   nothing		lower, other	cached (sees a later first write)
 *
 * and cached, always, where there is no passthrough. Upper's data that is read
 * and written, and whose writes we must see, is cached if nothing is open.
 */
#include <stdbool.h>

enum iomode { IOMODE_CACHED, IOMODE_PASS, IOMODE_CONFLICT };

struct iomode_state {
	bool available;	   /* passthrough works on this mount */
	bool program;	   /* the inode lies in a program tree */
	bool upper;	   /* its data is in upper */
	bool seen;	   /* read and written, and we must see the writes */
	bool pass_lower;   /* the passthrough files have the lower's data */
	unsigned n_cached; /* open files by mode */
	unsigned n_pass;
};

enum iomode iomode_choose(const struct iomode_state *s);

#endif
