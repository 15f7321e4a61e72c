/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/shm.h"

#include <sys/mman.h>

#include "fs/base/cleanup.h"

int shm_new(struct shm *s, const char *name, size_t size)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC);
	void *base;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	base = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	s->base = base;
	s->size = size;
	s->fd = TAKE_FD(fd);
	return 0;
}

void shm_free(struct shm *s)
{
	if (!s->base)
		return;
	munmap(s->base, s->size);
	close(s->fd);
	s->base = NULL;
	s->fd = -1;
}

void shm_giveback(const struct shm *s, size_t off, size_t len)
{
	size_t from = (off + SHM_PAGE - 1) & ~(size_t)(SHM_PAGE - 1);
	size_t to = (off + len) & ~(size_t)(SHM_PAGE - 1);

	if (to > from)
		madvise((char *)s->base + from, to - from, MADV_REMOVE);
}
