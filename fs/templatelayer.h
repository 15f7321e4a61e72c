/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_TEMPLATELAYER_H
#define VEFS_FS_TEMPLATELAYER_H

/*
 * templatelayer - a template's version as a layer: names and inodes from its
 * index, without a system call; data from the pool, the same file for all who
 * share it.
 *
 * The layer holds the version, so that it cannot be removed, and the pool as
 * descriptors; the index belongs to a process and is opened in each
 * (layer.h's begin).
 */
#include "fs/layer.h"

struct templatelayer_config {
	const char *store; /* the store's directory */
	const char *spec;  /* NAME or NAME:VERSION */
	int fds[2];	   /* with spec NULL: templatelayer_fds(), taken */
	uint8_t index;
};

/* -errno with a sentence in err[errlen]. */
int templatelayer_new(struct layer **out,
		      const struct templatelayer_config *cfg, char *err,
		      size_t errlen);

/* Is it one? Then what another process makes it of again; borrowed. */
bool templatelayer_fds(const struct layer *l, int fds[2]);

#endif
