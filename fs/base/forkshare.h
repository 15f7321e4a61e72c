/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_FORKSHARE_H
#define VEFS_FS_BASE_FORKSHARE_H

/*
 * forkshare - a process and its copy that have one table of descriptors: what
 * one opens the other has, and what one that is killed had open stays open
 * under its number.
 */
#include <stddef.h>
#include <sys/types.h>

/*
 * Like fork(), with SIGCHLD at its end. Where the caller has more than one
 * thread the copy may call only what takes no lock.
 */
pid_t forkshare(void);

/* Memory that both see the same, all zero at first; or NULL. */
void *forkshare_memory(size_t size);
void forkshare_free(void *memory, size_t size);

#endif
