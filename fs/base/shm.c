/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/shm.h"

#include <sys/mman.h>

#include "fs/base/cleanup.h"

int shm_attach(struct shm *s, int fd, size_t size)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  flags | MAP_NORESERVE, fd, 0);

	if (base == MAP_FAILED) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	s->base = base;
	s->size = size;
	s->fd = fd;
	return 0;
}

int shm_new(struct shm *s, const char *name, size_t size)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return shm_attach(s, TAKE_FD(fd), size);
}

int shm_new_private(struct shm *s, size_t size)
{
	return shm_attach(s, -1, size);
}

void shm_free(struct shm *s)
{
	if (!s->base)
		return;
	munmap(s->base, s->size);
	if (s->fd >= 0)
		close(s->fd);
	s->base = NULL;
	s->fd = -1;
}

void shm_giveback(const struct shm *s, size_t off, size_t len)
{
	size_t from = (off + SHM_PAGE - 1) & ~(size_t)(SHM_PAGE - 1);
	size_t to = (off + len) & ~(size_t)(SHM_PAGE - 1);

	if (to > from)
		madvise((char *)s->base + from, to - from,
			s->fd < 0 ? MADV_DONTNEED : MADV_REMOVE);
}

void shm_clear(const struct shm *s)
{
	shm_giveback(s, 0, s->size);
}

size_t shm_next_data(const struct shm *s, size_t off)
{
	off_t r;

	if (off >= s->size)
		return s->size;
	if (s->fd < 0)
		return off;
	r = lseek(s->fd, (off_t)off, SEEK_DATA);
	return r < 0 ? s->size : (size_t)r;
}
