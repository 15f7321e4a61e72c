/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_SHM_H
#define VEFS_FS_BASE_SHM_H

/*
 * shm - a large, sparse piece of shared memory that outlives its users'
 * threads: a memfd, mapped once. Untouched pages cost nothing, and pages can
 * be given back.
 */
#include <stddef.h>

struct shm {
	int fd;	    /* the memfd, owned */
	void *base; /* its mapping, `size` bytes, all zero at first */
	size_t size;
};

#define SHM_PAGE 4096u

/*
 * Make a region. `name` shows in /proc/PID/maps. Returns 0 or -errno; *s is
 * written only on success.
 */
int shm_new(struct shm *s, const char *name, size_t size);

/* Map the region of a memfd that was made with this size; takes `fd`. */
int shm_attach(struct shm *s, int fd, size_t size);

/* The same for this process alone: what a successor makes anew. `fd` is -1. */
int shm_new_private(struct shm *s, size_t size);

/* All of it reads as zero again. Nobody may use it meanwhile. */
void shm_clear(const struct shm *s);

/*
 * The next offset from `off` on that was ever written, or `size`: everything
 * between reads as zero and need not be looked at.
 */
size_t shm_next_data(const struct shm *s, size_t off);

/* Unmap and close. The pages go when the last holder of the memfd goes. */
void shm_free(struct shm *s);

/*
 * Give the pages that lie wholly inside [off, off + len) back to the system;
 * they read as zero afterwards. Nobody may use them meanwhile.
 */
void shm_giveback(const struct shm *s, size_t off, size_t len);

#endif
